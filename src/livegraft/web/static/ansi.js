// Terminal output -> elements. Colours and weights (SGR) become classes; every other escape is dropped.
// Only text nodes are made, so nothing that a script prints can become markup.

// CSI, OSC (with links), and the two-character escapes.
const ESCAPE = /\x1b(?:\[([0-9;:]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g;
const UNFINISHED = /\x1b(?:\[[0-9;:]*[ -/]*|\][^\x07\x1b]*\x1b?)?$/;
const NAMED = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 9: "strike" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 29: ["strike"] };

export class Terminal {
  #pre;
  #styles = new Set();
  #colour = "";
  #rest = "";
  #line;
  #returned = false; // a carriage return was seen: what follows replaces the line

  constructor(pre) {
    this.#pre = pre;
    this.#newLine();
  }

  write(text) {
    const all = this.#rest + text;
    const cut = all.search(UNFINISHED);
    this.#rest = cut >= 0 && all.length - cut < 4096 ? all.slice(cut) : "";
    const whole = this.#rest ? all.slice(0, cut) : all;
    let place = 0;
    for (const escape of whole.matchAll(ESCAPE)) {
      this.#text(whole.slice(place, escape.index));
      if (escape[2] === "m") this.#style(escape[1].split(/[;:]/).map(Number));
      place = escape.index + escape[0].length;
    }
    this.#text(whole.slice(place));
  }

  #text(text) {
    for (const part of text.split(/(\r?\n|\r)/)) {
      if (part === "\r") this.#returned = true;
      else if (part.endsWith("\n")) {
        this.#line.append("\n");
        this.#newLine();
      } else if (part) {
        if (this.#returned) this.#line.replaceChildren();
        this.#returned = false;
        this.#line.append(this.#styled(part));
      }
    }
  }

  #newLine() {
    this.#returned = false;
    this.#line = document.createElement("span");
    this.#pre.append(this.#line);
  }

  #styled(text) {
    const names = [...this.#styles, this.#colour].filter(Boolean);
    if (!names.length) return text;
    const span = document.createElement("span");
    span.className = names.map((name) => `t-${name}`).join(" ");
    span.textContent = text;
    return span;
  }

  #style(codes) {
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 0) {
        this.#styles.clear();
        this.#colour = "";
      } else if (NAMED[code]) this.#styles.add(NAMED[code]);
      else if (OFF[code]) OFF[code].forEach((name) => this.#styles.delete(name));
      else if (code >= 30 && code <= 37) this.#colour = String(code - 30);
      else if (code >= 90 && code <= 97) this.#colour = String(code - 90);
      else if (code === 39) this.#colour = "";
      else if (code === 38 || code === 48) {
        // 38;5;N and 38;2;R;G;B: the first sixteen have names here, the others stay plain.
        const known = code === 38 && codes[i + 1] === 5 && codes[i + 2] < 16;
        if (known) this.#colour = String(codes[i + 2] % 8);
        i += codes[i + 1] === 5 ? 2 : 4;
      }
    }
  }
}
