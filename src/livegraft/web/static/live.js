// The page follows what happens: on an event that concerns it, it is fetched again and the
// differences are put in place. Focus, scroll, open details and half-filled forms stay.
import { writeTimes } from "./times.js";

const PAUSE = 400; // ms between two fetches: a burst of events is one refresh
const NAMES = ["release", "script", "run", "slot", "sync", "version", "packages", "stall"];

const page = () => document.getElementById("page");

const callbacks = {
  beforeNodeMorphed(old, fresh) {
    // What somebody is filling in, and the output, are theirs as long as they mean the same thing.
    return !(old.dataset?.keep && old.dataset.keep === fresh.dataset?.keep);
  },
  beforeAttributeUpdated(name, node) {
    return !(name === "open" && node.tagName === "DETAILS");
  },
  beforeNodeRemoved(node) {
    return !node.contains?.(document.activeElement) || !document.activeElement.closest("details.menu[open]");
  },
};

function put(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const frame = fresh.getElementById("page");
  if (!frame) return;
  document.title = fresh.title;
  const [icon, freshIcon] = [document, fresh].map((each) => each.getElementById("icon"));
  if (icon.getAttribute("href") !== freshIcon.getAttribute("href")) icon.replaceWith(freshIcon);
  // What is put in another place, because something comes before it, would be at its begin again.
  const log = document.getElementById("log");
  const [across, down] = [log?.scrollLeft, log?.scrollTop];
  globalThis.Idiomorph.morph(page(), frame, { morphStyle: "outerHTML", callbacks });
  log?.scrollTo(across, down);
  const top = fresh.getElementById("top");
  if (top) globalThis.Idiomorph.morph(document.getElementById("top"), top, { morphStyle: "outerHTML", callbacks });
  writeTimes();
}

function concerns(event) {
  const { live, subject } = page().dataset;
  if (!live?.split(" ").includes(event.type)) return false;
  if (!subject) return true;
  const said = JSON.parse(event.data);
  return event.type === "release" || [said.subject, said.script, said.data?.script].includes(subject);
}

export function startLive() {
  let asked = false; // somebody wants a refresh
  let busy = false; // a fetch or the pause after it is under way

  async function refresh() {
    asked = true;
    if (busy) return;
    busy = true;
    while (asked) {
      asked = false;
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (answer.status === 401) return location.reload();
        put(await answer.text());
      } catch {
        // The connection is gone; the event stream says so and asks again when it is back.
      }
      await new Promise((resume) => setTimeout(resume, PAUSE));
    }
    busy = false;
  }

  const address = document.body.dataset.events;
  if (address) follow(address, refresh);
  setInterval(() => !document.hidden && page().dataset.every && refresh(), 1000);
  return refresh;
}

function follow(address, refresh) {
  let source = null;
  let opened = false;
  const offline = document.getElementById("offline");

  function open() {
    source = new EventSource(address);
    for (const name of NAMES) source.addEventListener(name, (event) => concerns(event) && refresh());
    source.addEventListener("missed", refresh);
    source.onopen = () => {
      offline.hidden = true;
      if (opened) refresh(); // something may have happened while nobody listened
      opened = true;
    };
    source.onerror = () => (offline.hidden = false);
  }

  // A browser keeps only six connections to a host: tabs that nobody sees give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source?.close();
    else open();
  });
  addEventListener("pagehide", () => source?.close());
  if (!document.hidden) open();
}
