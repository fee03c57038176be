"""How plugins introduce themselves."""


def greet(name: str) -> str:
    text = f"hello from plugin {name}"
    print(text)
    return text
