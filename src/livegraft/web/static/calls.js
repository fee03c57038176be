// The run as a command and as a request follows what is typed in the form. The server writes it: it reads the form too.

const PAUSE = 200; // ms after the last change before the server is asked

export function startCalls() {
  let timer = 0;
  let asked = 0;

  async function write(calls, form) {
    const mine = ++asked;
    const isTold = ([name, value]) => typeof value === "string" && form.elements[name]?.type !== "password";
    const fields = [...new FormData(form)].filter(isTold);
    try {
      const answer = await fetch(calls.dataset.calls, { method: "POST", body: new URLSearchParams(fields) });
      if (!answer.ok || mine !== asked) return; // more was typed meanwhile
      for (const [name, text] of Object.entries(await answer.json())) {
        calls.querySelector(`[data-call="${name}"]`).textContent = text;
      }
    } catch {
      // The connection is gone, and the page says so.
    }
  }

  function follow() {
    const calls = document.querySelector("details[open][data-follows]");
    const form = calls && document.getElementById(calls.dataset.follows);
    if (form) write(calls, form);
  }

  document.addEventListener("input", (event) => {
    if (!event.target.form || event.target.form.id !== document.querySelector("[data-follows]")?.dataset.follows) return;
    clearTimeout(timer);
    timer = setTimeout(follow, PAUSE);
  });
  // A toggle is told to the element alone.
  document.addEventListener("toggle", (event) => event.target.matches("[data-follows]") && follow(), true);
}
