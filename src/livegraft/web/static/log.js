// Shows many lines: blocks of them, of which only those near the view have elements.
import { textOf } from "./ansi.js";
import { clock } from "./times.js";

const BLOCK = 200; // lines
const MOST = 200_000; // lines that a page holds
const SPARE = 20_000; // lines that are dropped at once when it holds more
const PAPER = "#3a4147"; // what a black ground looks like on a log that is nearly black
// What has no level may be anything: no filter hides it.
const RANKS = { "": 99, out: 20, debug: 10, info: 20, err: 30, warning: 30, error: 40, critical: 50 };

export class Log {
  dropped = 0; // lines that this page does not hold any more
  #pre;
  #terminal;
  #blocks = []; // each { element, lines, isShown }
  #placed = 0; // lines of the terminal that were looked at
  #block = new Map(); // line -> its block
  #elements = new WeakMap();
  #wanted = "";
  #rank = 0;
  #height = 18;
  #nearby;

  constructor(pre, terminal) {
    this.#pre = pre;
    this.#terminal = terminal;
    this.#nearby = new IntersectionObserver((seen) => seen.forEach((each) => this.#look(each)), {
      root: pre,
      rootMargin: "800px 0px",
    });
    this.#height = parseFloat(getComputedStyle(pre).lineHeight) || this.#height;
  }

  // Only lines with that text, at that level or above. Gives how many there are.
  select(text, level) {
    this.#wanted = text.toLowerCase();
    this.#rank = level ? RANKS[level] : 0;
    return this.#again();
  }

  get count() {
    return this.#block.size;
  }

  // Put in place what changed since the last time.
  update() {
    if (this.#terminal.lines.length > MOST) {
      const count = this.#terminal.lines.length - MOST + SPARE;
      this.#terminal.drop(count);
      this.dropped += count;
      this.#again();
      return;
    }
    const lines = this.#terminal.lines;
    for (const line of this.#terminal.changed) {
      const block = this.#block.get(line);
      if (!block) continue;
      if (block.isShown) this.#draw(line, block);
    }
    this.#terminal.changed.clear();
    // The last line is looked at again: it may go on, and be wanted then.
    for (let place = this.#placed; place < lines.length; place++) this.#place(lines[place]);
    this.#placed = Math.max(0, lines.length - 1);
    this.#showEnds();
  }

  // The first and the last lines are there at once, without waiting for the observer.
  #showEnds() {
    for (const block of [...this.#blocks.slice(0, 1), ...this.#blocks.slice(-2)]) this.#show(block);
  }

  #again() {
    for (const { element } of this.#blocks) this.#nearby.unobserve(element);
    this.#pre.replaceChildren();
    this.#blocks = [];
    this.#block.clear();
    this.#terminal.changed.clear();
    for (const line of this.#terminal.lines) this.#place(line);
    this.#placed = Math.max(0, this.#terminal.lines.length - 1);
    this.#showEnds();
    return this.count;
  }

  #isWanted(line) {
    if (this.#rank && (RANKS[line.level] ?? 20) < this.#rank) return false;
    return !this.#wanted || textOf(line).toLowerCase().includes(this.#wanted);
  }

  #place(line) {
    // An empty line at the end is where the cursor is.
    if (this.#block.has(line) || (!line.length && line === this.#terminal.lines.at(-1)) || !this.#isWanted(line)) return;
    let block = this.#blocks.at(-1);
    if (!block || block.lines.length === BLOCK) {
      if (block && !block.isShown) this.#reserve(block);
      block = { element: document.createElement("div"), lines: [], isShown: false };
      this.#blocks.push(block);
      this.#pre.append(block.element);
      this.#nearby.observe(block.element);
    }
    block.lines.push(line);
    this.#block.set(line, block);
    if (block.isShown) this.#draw(line, block);
  }

  #look({ target, isIntersecting, boundingClientRect }) {
    const block = this.#blocks.find(({ element }) => element === target);
    if (!block || block.isShown === isIntersecting) return;
    if (isIntersecting) this.#show(block);
    else {
      block.isShown = false;
      block.lines.forEach((line) => this.#elements.delete(line));
      target.replaceChildren();
      block.height = boundingClientRect.height / block.lines.length;
      this.#reserve(block);
    }
  }

  #show(block) {
    if (block.isShown) return;
    block.isShown = true;
    block.element.style.height = "";
    block.lines.forEach((line) => this.#draw(line, block));
  }

  #reserve(block) {
    block.element.style.height = `${block.lines.length * (block.height || this.#height)}px`;
  }

  #draw(line, block) {
    const element = document.createElement("div");
    element.className = `line l-${line.level in RANKS ? line.level : ""}`;
    if (line.at !== null) element.dataset.at = clock(line.at);
    for (const [text, style] of line.parts) element.append(this.#part(text, style));
    if (!line.length) element.append("\n");
    const old = this.#elements.get(line);
    if (old?.parentNode === block.element) old.replaceWith(element);
    else block.element.append(element);
    this.#elements.set(line, element);
  }

  #part(text, style) {
    const content = this.#wanted ? this.#marked(text) : text;
    if (!style && !this.#wanted) return content;
    const span = document.createElement("span");
    span.append(content);
    if (!style) return span;
    const { names, colour, ground } = style;
    span.className = names.map((name) => `t-${name}`).join(" ");
    const isInverse = names.includes("inverse");
    const [ink, paper] = isInverse ? [ground ?? "var(--log)", colour ?? "var(--log-ink)"] : [colour, ground];
    if (paper !== null) span.style.backgroundColor = cssColour(paper, PAPER);
    const isOnBright = typeof paper === "number" && paper % 8 > 0;
    // The sixteen are bright here, for text on a dark log; text on one of them must be dark.
    if (isOnBright) span.style.color = ink === null ? "var(--log)" : `oklch(from ${cssColour(ink)} min(l, 0.35) c h)`;
    // A colour that was chosen for white paper must be readable here, too.
    else if (ink !== null) span.style.color = paper === null ? `oklch(from ${cssColour(ink)} max(l, 0.6) c h)` : cssColour(ink);
    return span;
  }

  #marked(text) {
    const found = document.createDocumentFragment();
    const lower = text.toLowerCase();
    let place = 0;
    // Where lower case has another length, offsets do not fit: then nothing is marked.
    if (lower.length === text.length) {
      for (let at; (at = lower.indexOf(this.#wanted, place)) >= 0; place = at + this.#wanted.length) {
        const mark = document.createElement("mark");
        mark.textContent = text.slice(at, at + this.#wanted.length);
        found.append(text.slice(place, at), mark);
      }
    }
    found.append(text.slice(place));
    return found;
  }
}

function cssColour(colour, black = "var(--t-0)") {
  if (typeof colour !== "number") return colour;
  return colour % 8 ? `var(--t-${colour})` : black;
}
