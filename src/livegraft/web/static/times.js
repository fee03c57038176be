// Relative times and elapsed times go on counting; the words are those of wording.py. Exact ones are written in the
// zone that somebody chose: UTC, that of the browser, or that of the script whose page it is.

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

function span(seconds) {
  for (const [size, unit] of UNITS) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.floor(seconds)} s`;
}

function relative(at) {
  const seconds = (at - Date.now()) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
}

function elapsed(since) {
  const seconds = Math.max(0, (Date.now() - since) / 1000);
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

const choice = () => localStorage.getItem("zone") ?? "utc";

function zone() {
  if (choice() === "here") return Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (choice() === "script" && document.getElementById("page")?.dataset.zone) || "UTC";
}

const formats = new Map(); // making one takes long

function partsOf(at) {
  const timeZone = zone();
  if (!formats.has(timeZone)) {
    const numbers = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
    const more = { fractionalSecondDigits: 3, hourCycle: "h23", timeZoneName: "short", timeZone };
    formats.set(timeZone, new Intl.DateTimeFormat("en-GB", { ...numbers, ...more }));
  }
  return Object.fromEntries(formats.get(timeZone).formatToParts(at).map((part) => [part.type, part.value]));
}

function exact(at) {
  const { year, month, day, hour, minute, second, timeZoneName } = partsOf(at);
  return `${year}-${month}-${day} ${hour}:${minute}:${second} ${timeZoneName}`;
}

// The time of day to the millisecond.
export function clock(at) {
  const { hour, minute, second, fractionalSecond } = partsOf(at);
  return `${hour}:${minute}:${second}.${fractionalSecond}`;
}

export function writeTimes() {
  const here = zone();
  for (const time of document.querySelectorAll("time[data-relative], time[data-elapsed], time[data-exact]")) {
    const at = Date.parse(time.dateTime);
    if ((time.dataset.in ?? "UTC") !== here) {
      time.dataset.in = here;
      if ("exact" in time.dataset) time.textContent = exact(at);
      else if ("relative" in time.dataset) time.title = exact(at);
      else time.title = `since ${exact(at)}`;
    }
    if ("exact" in time.dataset) continue;
    const text = "relative" in time.dataset ? relative(at) : elapsed(at);
    if (time.textContent !== text) time.textContent = text;
  }
}

export function startTimes() {
  const select = document.getElementById("zone");
  if (select) select.value = choice();
  select?.addEventListener("change", () => {
    localStorage.setItem("zone", select.value);
    writeTimes();
    document.dispatchEvent(new Event("zone"));
  });
  // Another tab chose.
  addEventListener("storage", (event) => {
    if (event.key !== "zone" || !select) return;
    select.value = choice();
    writeTimes();
    document.dispatchEvent(new Event("zone"));
  });
  writeTimes();
  setInterval(writeTimes, 1000);
}
