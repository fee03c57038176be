// The search box of the scripts: filters as you type and keeps its text in the address.

const PAUSE = 200; // ms after the last key before the server is asked

export function startFilter(refresh) {
  const form = () => document.querySelector("form[data-filter]");
  if (!form()) return;
  let timer = 0;

  function show() {
    const words = form().elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of document.querySelectorAll("#script-table tr[data-text]")) {
      const text = row.dataset.text.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      found += !row.hidden;
    }
    for (const body of document.querySelectorAll("#script-table tbody")) {
      body.hidden = !body.querySelector("tr[data-text]:not([hidden])");
    }
    document.getElementById("no-match").hidden = found > 0;
  }

  document.addEventListener("input", (event) => {
    if (!event.target.closest("form[data-filter]") || event.target.name !== "q") return;
    const address = new URL(location.href);
    const text = event.target.value.trim();
    if (text) address.searchParams.set("q", text);
    else address.searchParams.delete("q");
    address.searchParams.delete("page");
    history.replaceState(null, "", address);
    show();
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE);
  });
}
