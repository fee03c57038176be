// In a table of very many links the arrow keys go from one to the next; the Tab key stops once a row.
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export function startArrows() {
  document.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const place = event.target.closest("[data-arrows] :is(td, th)");
    if (!step || !place || event.ctrlKey || event.altKey || event.metaKey) return;
    const rows = [...place.closest("table").rows];
    let [row, column] = [rows.indexOf(place.parentElement), place.cellIndex];
    let found = null;
    do {
      [row, column] = [row + step[0], column + step[1]];
      const cell = rows[row]?.cells[column];
      if (!cell) break;
      found = cell.querySelector("a");
    } while (!found);
    event.preventDefault();
    found?.focus();
  });
}
