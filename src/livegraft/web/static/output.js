// The live output of a run. The stream is resumed where it broke off, by byte offset: no line is lost or doubled.
import { Terminal } from "./ansi.js";
import { Log } from "./log.js";

const NEAR_END = 40; // px: closer to the end than this counts as following
const PAUSE = 150; // ms after the last key before the output is searched

export function startOutput(refresh) {
  const section = document.querySelector("[data-output]");
  if (!section) return;
  const [pre, state, follow, wrap, times, search, level] = [
    "log",
    "log-state",
    "follow",
    "wrap",
    "times",
    "log-search",
    "log-level",
  ].map((id) => document.getElementById(id));
  const terminal = new Terminal();
  const log = new Log(pre, terminal);
  let seen = 0; // bytes shown so far
  let ended = false;
  let source = null;
  let frame = 0;
  let searching = 0;

  const toEnd = () => follow.checked && (pre.scrollTop = pre.scrollHeight);

  function say(text) {
    const parts = [text];
    if (search.value || level.value) parts.push(`lines found: ${log.count.toLocaleString("en")}`);
    if (log.dropped) parts.push(`the first ${log.dropped.toLocaleString("en")} lines are no longer on this page`);
    state.textContent = parts.filter(Boolean).join("; ");
    state.hidden = !state.textContent;
  }

  function draw() {
    frame = 0;
    log.update();
    say("");
    toEnd();
  }

  function show(event) {
    const upTo = Number(event.lastEventId);
    if (upTo <= seen) return;
    seen = upTo;
    const { text, marks = [] } = JSON.parse(event.data);
    let place = 0;
    for (const [at, time, of] of marks) {
      terminal.write(text.slice(place, at));
      terminal.mark(time, of);
      place = Math.max(place, at);
    }
    terminal.write(text.slice(place));
    frame ||= requestAnimationFrame(draw);
  }

  function end() {
    ended = true;
    source.close();
    cancelAnimationFrame(frame);
    draw();
    refresh(); // of one that wrote nothing, the page says so in place of the log
  }

  function open() {
    source = new EventSource(`${section.dataset.output}?offset=${seen}`);
    source.addEventListener("output", show);
    source.addEventListener("end", end);
    source.onopen = () => seen || say("Nothing written yet.");
    source.onerror = () => ended || say("Connection lost. Trying again.");
  }

  function select() {
    log.select(search.value, level.value);
    say("");
    toEnd();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source.close();
    else if (!ended) open();
  });
  // Only a person's own scrolling ends the following: the log also moves when what is above gets its true height.
  for (const name of ["wheel", "touchmove", "keydown", "pointerup"]) {
    pre.addEventListener(name, () => requestAnimationFrame(asFollowed), { passive: true });
  }
  const asFollowed = () => {
    follow.checked = pre.scrollHeight - pre.scrollTop - pre.clientHeight < NEAR_END;
  };
  follow.addEventListener("change", toEnd);
  wrap.addEventListener("change", () => pre.classList.toggle("wrap", wrap.checked));
  times.addEventListener("change", () => pre.classList.toggle("times", times.checked));
  level.addEventListener("change", select);
  document.addEventListener("zone", select);
  search.addEventListener("input", () => {
    clearTimeout(searching);
    searching = setTimeout(select, PAUSE);
  });
  open();
}
