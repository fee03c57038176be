// Relative times and elapsed times go on counting; the words are those of wording.py.

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

export function writeTimes() {
  for (const time of document.querySelectorAll("time[data-relative], time[data-elapsed]")) {
    const at = Date.parse(time.dateTime);
    const text = "relative" in time.dataset ? relative(at) : elapsed(at);
    if (time.textContent !== text) time.textContent = text;
  }
}

export function startTimes() {
  writeTimes();
  setInterval(writeTimes, 1000);
}
