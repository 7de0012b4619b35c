// The legend above a graph: the lines by name, which of them are shown, and their values: at the
// cursor, else the newest; on demand the lowest, mean and highest of the span. Of a heatmap: which
// colours mean how many requests.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const DASHES = { solid: "solid", dash: "dashed", longdash: "dashed", longdashdot: "dashed" };
  const NO_BREAK = "\u00a0"; // no line ends between a number and its unit
  const choices = new Map(); // of graphs by id; they outlive the page, so that its link leads back to them
  const summarised = new Set();

  function choiceOf(id) {
    if (!choices.has(id)) choices.set(id, { only: new Set(), hidden: new Set() });
    return choices.get(id);
  }

  // A line that came later is left out while others are isolated. Where none of these is left, all
  // are shown.
  function isShown(entry, name) {
    const { only, hidden } = choiceOf(entry.id);
    if (entry.data.some((trace) => only.has(trace.name))) return only.has(name);
    return !hidden.has(name);
  }

  function isolate(id, name) {
    const { only } = choiceOf(id);
    const wasAlone = only.size === 1 && only.has(name);
    choices.set(id, { only: new Set(wasAlone ? [] : [name]), hidden: new Set() });
  }

  function toggle(id, name, { only, hidden }) {
    const [some, others] = [new Set(only), new Set(hidden)];
    const changed = only.size ? some : others;
    if (!changed.delete(name)) changed.add(name);
    choices.set(id, { only: some, hidden: others });
  }

  // A double click is two clicks: the second one undoes the first.
  function choose(entry, item, event) {
    const name = item.dataset.name;
    if (event.ctrlKey || event.metaKey) toggle(entry.id, name, choiceOf(entry.id));
    else if (event.detail === 2 && item.before) toggle(entry.id, name, item.before);
    else {
      item.before = choiceOf(entry.id);
      isolate(entry.id, name);
    }
    showChoice(entry);
    scope.graphs.mark(entry);
  }

  function showChoice(entry) {
    for (const item of itemsOf(entry)) {
      if (item.tagName === "BUTTON") {
        item.setAttribute("aria-pressed", String(isShown(entry, item.dataset.name)));
      }
    }
  }

  const legendOf = (entry) => document.getElementById(`${entry.id}-legend`);
  const itemsOf = (entry) => legendOf(entry)?.querySelectorAll(".legend-item") || [];

  // The lines of an earlier span that no line of this one names: the sum of stacked ones.
  function earlierOf(entry, lines) {
    const own = new Set(lines.map((line) => line.name));
    return entry.earlier
      .filter((trace) => !own.has(trace.name))
      .map(({ name, line }) => ({ name: `${name}, earlier`, colour: line.color, dash: line.dash, isMark: true }));
  }

  function set(entry, ownLines, of) {
    const legend = legendOf(entry);
    if (!legend) return;
    const lines = [...ownLines, ...earlierOf(entry, ownLines)];
    const names = JSON.stringify(lines.map((line) => [line.name, line.colour, line.dash]));
    if (legend.dataset.names !== names || !legend.childElementCount) {
      const focused = legend.contains(document.activeElement) && document.activeElement.dataset.name;
      legend.dataset.names = names;
      const items = isHeatmap(entry) ? [keyOf()] : lines.map(itemOf);
      legend.replaceChildren(...items, document.createElement("small"));
      if (focused) [...itemsOf(entry)].find((item) => item.dataset.name === focused)?.focus();
    }
    lines.forEach((line, i) => {
      if ("value" in line) legend.children[i].querySelector("b").textContent = line.value;
    });
    entry.legendSpan = lines.some((line) => "value" in line) ? of : null;
    showChoice(entry);
    show(entry);
  }

  function clear(entry) {
    legendOf(entry)?.replaceChildren();
  }

  function itemOf(line) {
    const isMark = line.isMark || "value" in line; // of the figure: nothing hides it
    const item = document.createElement(isMark ? "span" : "button");
    item.className = "legend-item";
    item.dataset.name = line.name;
    const swatch = document.createElement("i");
    swatch.style.borderTopColor = line.colour;
    swatch.style.borderTopStyle = DASHES[line.dash] || "dotted";
    const name = document.createElement("span");
    name.textContent = line.name;
    item.append(swatch, name, document.createElement("b"), document.createElement("em"));
    if (isMark) return item;
    item.type = "button";
    item.title = `Show ${line.name} alone, or all again; with Ctrl or a double click: show or hide it`;
    return item;
  }

  const isHeatmap = (entry) => entry.data[0]?.type === "heatmap";

  function keyOf() {
    const key = document.createElement("span");
    key.className = "heat-key";
    key.append(...["b", "i", "b", "span"].map((name) => document.createElement(name)));
    return key;
  }

  // From the colour of one request to that of the fullest cell. Plotly's scale begins at none.
  function showKey(entry, key) {
    const [fewest, bar, most, what] = key.children;
    const trace = entry.data[0];
    const count = trace.z.reduce((soFar, row) => Math.max(soFar, ...row), 0);
    key.hidden = !count;
    if (!count) return;
    const first = 1 / count;
    const stops = trace.colorscale.map(([at, colour]) =>
      count === 1 ? trace.colorscale.at(-1)[1] : `${colour} ${(100 * (at - first)) / (1 - first)}%`);
    bar.style.backgroundImage = `linear-gradient(to right, ${stops})`;
    put(fewest, count === 1 ? "" : "1");
    put(most, scope.units.number(count));
    const step = scope.units.stepText(entry.layout.meta.step).replace(" ", NO_BREAK);
    put(what, `${count === 1 ? "request" : "requests"} in a cell of ${step}`);
  }

  // One listener for all items: lines come and go as long as a page is open. False for no item.
  function onItem(event) {
    const item = event.target instanceof Element && event.target.closest("button.legend-item");
    const entry = item && scope.graphs.byId(item.parentElement.id.replace(/-legend$/, ""));
    if (entry) choose(entry, item, event);
    return Boolean(entry);
  }

  document.addEventListener("click", onItem);
  document.addEventListener("keydown", (event) => {
    // A browser makes no click of Enter with Ctrl.
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    if (onItem(event)) event.preventDefault();
  });

  // The values at the cursor, or the newest where it is not: `index` among the figure's points.
  function show(entry, index = null) {
    const legend = legendOf(entry);
    if (!legend || !legend.childElementCount) return;
    const key = legend.querySelector(".heat-key");
    if (key) {
      if (isHeatmap(entry)) showKey(entry, key);
      return;
    }
    const when = legend.querySelector("small");
    if (entry.legendSpan) {
      put(when, scope.units.spanText(entry.legendSpan));
      return;
    }
    const lines = new Map(entry.data.map((trace) => [trace.name, trace]));
    const x = entry.data[0]?.x || [];
    const at = index ?? x.length - 1;
    const items = [...itemsOf(entry)];
    for (const item of items) {
      const trace = lines.get(item.dataset.name);
      const value = item.querySelector("b");
      put(value, trace && at >= 0 ? valueText(entry, trace, at) : "");
      keepRoom(value);
      put(item.querySelector("em"), trace && isSummarised(entry) ? summaryText(entry, trace) : "");
    }
    legend.classList.toggle("at-cursor", index !== null);
    const [from, to] = at >= 0 ? stepAt(entry, at) : [0, 0];
    const text = scope.units.spanText([from, to]);
    put(when, items.length && at >= 0 ? (to - from <= 1 ? `at ${text}` : text) : "");
  }

  function put(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  // A value keeps the room of the longest before it: a moving cursor shall not move the graphs.
  function keepRoom(value) {
    const length = Math.max(value.textContent.length, Number(value.dataset.longest || 0));
    if (value.dataset.longest === String(length)) return;
    value.dataset.longest = length;
    value.style.minWidth = `${length}ch`;
  }

  function stepAt(entry, index) {
    const from = scope.graphs.toEpochMs(entry.data[0].x[index]) / 1000;
    return [from, from + (entry.layout.meta.step || 1)];
  }

  // A lower bound says so: requests that timed out would have taken longer, and histograms tell only
  // durations up to the longest apart.
  function valueText(entry, trace, index) {
    const { meta } = entry.layout;
    const value = scope.graphs.valuesOf(trace)[index];
    return trace.meta?.bounds?.[index] ? scope.units.boundText(meta, value) : scope.units.text(meta, value);
  }

  // Of percentiles and extremes there is no mean: their lowest and highest point say which step.
  function summaryText(entry, trace) {
    const values = scope.graphs.valuesOf(trace);
    let [low, high, sum, count] = [null, null, 0, 0]; // low and high: indexes
    values.forEach((value, i) => {
      if (value === null) return;
      if (low === null || value < values[low]) low = i;
      if (high === null || value > values[high]) high = i;
      sum += value;
      count += 1;
    });
    if (!count) return "";
    const read = (index) => valueText(entry, trace, index);
    if (trace.meta?.mean) {
      const mean = scope.units.text(entry.layout.meta, sum / count);
      return `min ${read(low)}, mean ${mean}, max ${read(high)}`;
    }
    const step = scope.units.stepText(entry.layout.meta.step);
    return `min ${read(low)}, max ${read(high)} (steps of ${step})`;
  }

  const isSummarised = (entry) => summarised.has(entry.id);

  // Turns the lowest, mean and highest on or off; says which.
  function summarise(entry) {
    if (!summarised.delete(entry.id)) summarised.add(entry.id);
    scope.graphs.mark(entry);
    return isSummarised(entry);
  }

  scope.legend = { set, clear, show, isShown, stepAt, valueText, summarise, isSummarised };
})();
