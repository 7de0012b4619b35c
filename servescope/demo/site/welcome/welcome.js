// Fetches the stages as JSON, shows them, and shows what the browser measured of that fetch.
"use strict";

const STAGES = new URL("../data/stages.json", document.baseURI).href;

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showStages(stages) {
  const items = stages.map((stage) => {
    const item = document.createElement("li");
    item.append(
      element("b", stage.name),
      element("span", `from: ${stage.from} – to: ${stage.to}`, "span"),
      element("span", stage.means),
    );
    return item;
  });
  document.getElementById("stages").replaceChildren(...items);
}

// Browsers round these times to 0.1 ms or coarser.
function milliseconds(value) {
  return `${value.toFixed(1)} ms`;
}

function put(field, text) {
  document.querySelector(`[data-field="${field}"]`).textContent = text;
}

function showTiming(entry) {
  const kept = entry.connectStart === entry.connectEnd;
  put("connection", kept ? "kept" : milliseconds(entry.connectEnd - entry.connectStart));
  put("wait", milliseconds(entry.responseStart - entry.requestStart));
  put("receive", milliseconds(entry.responseEnd - entry.responseStart));
  put("bytes", entry.encodedBodySize.toLocaleString("en"));
}

async function load() {
  // The browser keeps a limited list of timings: begin anew, so that ours is the last of its name.
  performance.clearResourceTimings();
  const response = await fetch(STAGES, { cache: "no-store" });
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  showStages(await response.json());
}

new PerformanceObserver((list) => {
  const entry = list.getEntriesByName(STAGES).at(-1);
  if (entry) showTiming(entry);
}).observe({ type: "resource" });

async function run() {
  try {
    await load();
  } catch (error) {
    document.getElementById("stages").replaceChildren(
      element("li", `The stages cannot be read (${error.message}). Is the server still running?`),
    );
  }
}

document.getElementById("again").addEventListener("click", run);
run();
