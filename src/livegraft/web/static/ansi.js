// Terminal output -> lines of styled parts, as a terminal would show them: carriage returns, cursor up and down,
// erased lines, 16, 256 and true colours. Every other escape is dropped, links too. Nothing here makes markup.

const CONTROL = /\x1b\[([0-9;:?<=>]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x1f\x7f]/g;
const UNFINISHED = /\x1b(?:\[[0-9;:?<=>]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$/;
const LONGEST_ESCAPE = 4096;
const REACH = 500; // lines that the cursor can go up
const WIDEST = 10_000; // columns that it can go to the right
const WEIGHTS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const OFF = { 21: ["bold"], 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };

export class Terminal {
  lines = []; // each { parts: [[text, style]], length, at, level }; style is null or { names, colour, ground }
  changed = new Set(); // lines that changed since somebody looked
  #row = -1;
  #column = 0;
  #weights = new Set();
  #colour = null; // 0-15, or a CSS colour
  #ground = null;
  #style = null;
  #rest = "";
  #mark = { at: null, level: "" };

  constructor() {
    this.#down();
  }

  // What follows was written at that time, in ms, to that stream or at that level.
  mark(at, level) {
    this.#mark = { at, level };
  }

  write(text) {
    let all = this.#rest + text;
    const cut = all.search(UNFINISHED);
    this.#rest = cut >= 0 && all.length - cut < LONGEST_ESCAPE ? all.slice(cut) : "";
    if (this.#rest) all = all.slice(0, cut);
    let place = 0;
    for (const found of all.matchAll(CONTROL)) {
      if (found.index > place) this.#put(all.slice(place, found.index));
      place = found.index + found[0].length;
      if (found[2]) this.#command(found[2], found[1]);
      else this.#control(found[0]);
    }
    if (place < all.length) this.#put(all.slice(place));
  }

  // Forget the oldest lines; the cursor stays where it is.
  drop(count) {
    for (const line of this.lines.splice(0, count)) this.changed.delete(line);
    this.#row -= count;
  }

  #control(character) {
    if (character === "\n") this.#down();
    else if (character === "\r") this.#column = 0;
    else if (character === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (character === "\t") this.#put(" ".repeat(8 - (this.#column % 8)));
  }

  #down() {
    this.#column = 0;
    this.#row += 1;
    if (this.#row === this.lines.length) this.lines.push({ parts: [], length: 0, at: null, level: "" });
    this.changed.add(this.lines[this.#row]);
  }

  #put(text) {
    const line = this.lines[this.#row];
    if (line.at === null || !line.length) Object.assign(line, this.#mark);
    if (this.#column > line.length) append(line, " ".repeat(this.#column - line.length), null);
    if (this.#column === line.length) append(line, text, this.#style);
    else {
      const after = between(line.parts, this.#column + text.length, line.length);
      const before = between(line.parts, 0, this.#column);
      replace(line, [...before, [text, this.#style], ...after]);
    }
    this.#column += text.length;
    this.changed.add(line);
  }

  #command(name, given) {
    if (/[?<=>]/.test(given)) return;
    const numbers = given.split(/[;:]/).map(Number);
    const count = Math.max(1, numbers[0] || 1);
    if (name === "m") this.#select(numbers);
    else if (name === "K") this.#erase(numbers[0]);
    else if (name === "G") this.#column = Math.min(count - 1, WIDEST);
    else if (name === "C") this.#column = Math.min(this.#column + count, WIDEST);
    else if (name === "D") this.#column = Math.max(0, this.#column - count);
    else if (name === "A" || name === "F") this.#row = Math.max(0, this.lines.length - REACH, this.#row - count);
    else if (name === "B" || name === "E") this.#row = Math.min(this.lines.length - 1, this.#row + count);
    if (name === "E" || name === "F") this.#column = 0;
  }

  #erase(what) {
    const line = this.lines[this.#row];
    if (what === 2) replace(line, []);
    else if (what === 1) {
      const blank = Math.min(this.#column + 1, line.length);
      replace(line, [[" ".repeat(blank), null], ...between(line.parts, blank, line.length)]);
    } else replace(line, between(line.parts, 0, this.#column));
    this.changed.add(line);
  }

  #select(codes) {
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 0) {
        this.#weights.clear();
        this.#colour = this.#ground = null;
      } else if (WEIGHTS[code]) this.#weights.add(WEIGHTS[code]);
      else if (OFF[code]) OFF[code].forEach((name) => this.#weights.delete(name));
      else if (code >= 30 && code <= 37) this.#colour = code - 30;
      else if (code >= 90 && code <= 97) this.#colour = code - 82;
      else if (code >= 40 && code <= 47) this.#ground = code - 40;
      else if (code >= 100 && code <= 107) this.#ground = code - 92;
      else if (code === 39) this.#colour = null;
      else if (code === 49) this.#ground = null;
      else if (code === 38 || code === 48) {
        const colour = codes[i + 1] === 5 ? indexed(codes[i + 2]) : rgb(...codes.slice(i + 2, i + 5));
        if (code === 38) this.#colour = colour;
        else this.#ground = colour;
        i += codes[i + 1] === 5 ? 2 : 4;
      }
    }
    const isPlain = !this.#weights.size && this.#colour === null && this.#ground === null;
    this.#style = isPlain ? null : { names: [...this.#weights], colour: this.#colour, ground: this.#ground };
  }
}

export function textOf(line) {
  return line.parts.length === 1 ? line.parts[0][0] : line.parts.map(([text]) => text).join("");
}

function append(line, text, style) {
  const last = line.parts.at(-1);
  if (last && last[1] === style) last[0] += text;
  else line.parts.push([text, style]);
  line.length += text.length;
}

function replace(line, parts) {
  line.parts = [];
  line.length = 0;
  for (const [text, style] of parts) if (text) append(line, text, style);
}

function between(parts, from, to) {
  const found = [];
  let place = 0;
  for (const [text, style] of parts) {
    const piece = text.slice(Math.max(0, from - place), Math.max(0, to - place));
    if (piece) found.push([piece, style]);
    place += text.length;
  }
  return found;
}

function rgb(red, green, blue) {
  const levels = [red, green, blue].map((level) => Math.min(255, Math.max(0, level | 0)));
  return `rgb(${levels.join(" ")})`;
}

function indexed(number) {
  const n = Math.min(255, Math.max(0, number | 0));
  if (n < 16) return n;
  if (n >= 232) return rgb(...Array(3).fill(8 + (n - 232) * 10));
  const level = (step) => (step ? 55 + step * 40 : 0);
  return rgb(level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6));
}
