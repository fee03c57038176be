"""What a product can be found by."""


def words(product: dict) -> set[str]:
    text = f"{product['name']} {product['category']} {product['sku']}".lower()
    return {word for word in text.replace("-", " ").split() if len(word) > 2}
