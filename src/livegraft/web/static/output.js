// The live output of a run. The stream is resumed where it broke off, by byte offset: no line is lost or doubled.
import { Terminal } from "./ansi.js";

const NEAR_END = 40; // px: closer to the end than this counts as following

export function startOutput(refresh) {
  const section = document.querySelector("[data-output]");
  if (!section) return;
  const log = document.getElementById("log");
  const state = document.getElementById("log-state");
  const follow = document.getElementById("follow");
  const wrap = document.getElementById("wrap");
  const terminal = new Terminal(log);
  let seen = 0; // bytes shown so far
  let ended = false;
  let source = null;

  const toEnd = () => follow.checked && (log.scrollTop = log.scrollHeight);
  const say = (text) => ((state.textContent = text), (state.hidden = !text));

  function show(event) {
    const upTo = Number(event.lastEventId);
    if (upTo <= seen) return;
    seen = upTo;
    terminal.write(JSON.parse(event.data).text);
    say("");
    toEnd();
  }

  function end() {
    ended = true;
    source.close();
    say(seen ? "" : "It wrote nothing.");
    refresh();
  }

  function open() {
    source = new EventSource(`${section.dataset.output}?offset=${seen}`);
    source.addEventListener("output", show);
    source.addEventListener("end", end);
    source.onopen = () => seen || say("Nothing written yet.");
    source.onerror = () => ended || say("Connection lost. Trying again.");
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source.close();
    else if (!ended) open();
  });
  log.addEventListener("scroll", () => {
    follow.checked = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
  });
  follow.addEventListener("change", toEnd);
  wrap.addEventListener("change", () => log.classList.toggle("wrap", wrap.checked));
  open();
}
