// Keys and small comforts of forms: "/" goes to the search, Ctrl+Enter runs, a form is sent once.

function close(details) {
  if (!details) return;
  details.open = false;
  if (details.contains(document.activeElement)) details.querySelector("summary").focus();
}

export function startForms() {
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, textarea, select");
    if (event.key === "/" && !field && !event.ctrlKey && !event.metaKey) {
      const search = document.querySelector("[data-shortcut='/']");
      if (search) event.preventDefault();
      search?.focus();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      (field?.form ?? document.querySelector("form[data-submit-key]"))?.requestSubmit();
    }
    if (event.key === "Escape") close(event.target.closest("details[open]:not(.tree details)"));
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const text = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text); // no clipboard without https: at least it is selected
    }
  });

  document.addEventListener("submit", (event) => {
    const buttons = event.target.method === "post" ? event.target.querySelectorAll("button") : [];
    // After the browser has collected the fields.
    setTimeout(() => buttons.forEach((button) => (button.disabled = true)));
  });

  // A page that comes back from the browser's memory must not keep its buttons off.
  addEventListener("pageshow", () => document.querySelectorAll("button:disabled").forEach((b) => (b.disabled = false)));

  document.addEventListener("change", (event) => {
    const chooses = event.target.dataset.chooses;
    if (chooses) for (const box of document.getElementsByName(chooses)) box.checked = event.target.checked;
    event.target.closest("form[data-auto-submit]")?.requestSubmit();
    if ("sends" in event.target.dataset) event.target.form.requestSubmit();
  });

  // Filters that are not set leave nothing in the address.
  addEventListener("formdata", (event) => {
    if (event.target.method !== "get") return;
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });

  // A click beside an open menu.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  // An answer to what was sent is not asked for again by sending it again: it has the address of a page that can be.
  const { address } = document.getElementById("page")?.dataset ?? {};
  if (address) history.replaceState(null, "", address);

  document.querySelector("[aria-invalid='true']")?.focus();
}
