// The command palette: Ctrl+K, type, Enter. The server finds, so it knows every script however many there are.

const PAUSE = 120; // ms after the last key before the server is asked

function go(choice) {
  if (!choice.posts) return location.assign(choice.address);
  const form = document.createElement("form");
  form.method = "post";
  form.action = choice.address;
  document.body.append(form);
  form.submit();
}

function option(choice, number) {
  const line = document.createElement("li");
  line.id = `choice-${number}`;
  line.role = "option";
  line.textContent = choice.label;
  const hint = document.createElement("span");
  hint.textContent = choice.hint;
  line.append(hint);
  line.addEventListener("click", () => go(choice));
  return line;
}

export function startJump() {
  const dialog = document.getElementById("jump");
  if (!dialog) return;
  const field = dialog.querySelector("input");
  const list = dialog.querySelector("ul");
  const none = dialog.querySelector("[role=status]"); // beside the list: there only choices are read out
  let choices = [];
  let chosen = 0;
  let timer = 0;
  let asked = 0;
  let answered = null; // the text whose choices are shown

  function choose(number) {
    chosen = Math.max(0, Math.min(number, choices.length - 1));
    for (const [place, line] of [...list.children].entries()) {
      line.setAttribute("aria-selected", place === chosen);
      if (place === chosen) line.scrollIntoView({ block: "nearest" });
    }
    if (choices.length) field.setAttribute("aria-activedescendant", `choice-${chosen}`);
    else field.removeAttribute("aria-activedescendant");
  }

  async function find() {
    const mine = ++asked;
    const text = field.value;
    let found = [];
    try {
      const answer = await fetch(`${dialog.dataset.choices}?${new URLSearchParams({ q: text })}`);
      if (answer.status === 401) return location.reload();
      found = await answer.json();
    } catch {
      // The connection is gone, and the page says so.
    }
    if (mine !== asked) return; // more was typed meanwhile
    [choices, answered] = [found, text];
    list.replaceChildren(...choices.map(option));
    none.textContent = choices.length ? "" : "Nothing is called that.";
    choose(0);
  }

  function open(name) {
    for (const other of document.querySelectorAll("dialog[open]")) other.close();
    document.getElementById(name).showModal();
    if (name !== "jump") return;
    field.select();
    find();
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, PAUSE);
  });

  field.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      clearTimeout(timer);
      if (answered !== field.value) await find();
      if (choices[chosen]) go(choices[chosen]);
      return;
    } else return;
    event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    const types = event.target.closest("input, textarea, select");
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      open("jump");
    } else if (event.key === "?" && !types) {
      open("keys");
    }
  });

  document.addEventListener("click", (event) => {
    const opens = event.target.closest("[data-opens]")?.dataset.opens;
    if (opens) open(opens);
    else if (event.target.matches("dialog[open]")) event.target.close(); // beside it
  });
}
