// One cursor over all graphs of a page: a line at the same moment in each, the values there in their
// legends, and beside the pointer, or the focus, what the graph shows at that moment.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const MANY_POINTS = 10;
  const SHORTEST_ZOOM_S = 5;
  const ZOOMS = { "+": 0.5, "=": 0.5, "-": 2, _: 2 };

  const readout = document.createElement("div");
  readout.className = "graph-readout";

  let source = null; // the graph that is pointed at or has the focus; null: there is no cursor
  let pointer = null; // where in the window it is pointed at; null: by keys
  let moment = 0; // epoch ms
  let cellRow = null; // of a heatmap, chosen by keys; null: the fullest cell
  let pointedRow = null; // of a heatmap, of the cell at the pointer or near it; null: none is
  let refusal = ""; // why Enter opened no requests; said until the cursor moves
  let scheduled = false;

  // Where time and values lie in a graph, in pixels of its host; null before it is drawn.
  function axesOf(entry) {
    const full = entry.plot._fullLayout;
    if (!full || !full.xaxis || !full.yaxis) return null;
    const { xaxis: x, yaxis: y } = full;
    return { left: x._offset, width: x._length, top: y._offset, height: y._length, range: y.range };
  }

  function point(entry, at) {
    source = entry;
    pointer = at;
    refusal = "";
    if (at) cellRow = null;
    schedule();
  }

  function clear() {
    if (!source) return;
    source = pointer = cellRow = null;
    refusal = "";
    readout.remove();
    schedule();
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    window.requestAnimationFrame(() => {
      scheduled = false;
      if (source && !source.host.isConnected) source = pointer = null;
      if (pointer) moment = momentAt(source, pointer) ?? moment;
      for (const entry of scope.graphs.all()) if (entry.inSight || entry === source) show(entry);
    });
  }

  // The moment of the point of a graph that is nearest to the pointer; in a heatmap that of the cell
  // which a click opens.
  function momentAt(entry, { x, y }) {
    const axes = axesOf(entry);
    const span = scope.graphs.span();
    if (!axes || !span) return null;
    pointedRow = null;
    const cell = scope.graphs.cellNear(entry, x, y);
    if (cell) {
      pointedRow = cell.row;
      return scope.graphs.toEpochMs(entry.data[0].x[cell.column]);
    }
    const share = (x - entry.host.getBoundingClientRect().left - axes.left) / axes.width;
    const ms = 1000 * (span[0] + Math.min(Math.max(share, 0), 1) * (span[1] - span[0]));
    const index = nearest(entry, ms);
    return index === null ? ms : scope.graphs.toEpochMs(entry.data[0].x[index]);
  }

  // The index of the point nearest to a moment; null where none is near.
  const nearest = (entry, ms) => nearestOf(entry, entry.data[0]?.x || [], ms);

  function nearestOf(entry, x, ms) {
    if (!x.length) return null;
    const wanted = scope.graphs.shown(ms);
    let [low, high] = [0, x.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (x[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    if (low && wanted - x[low - 1] < x[low] - wanted) low -= 1;
    const reach = 1000 * Math.max(entry.layout.meta.step || 1, source?.layout.meta.step || 1);
    return Math.abs(x[low] - wanted) <= reach ? low : null;
  }

  // Called for each graph that was drawn anew, too: a graph that moves on keeps its cursor.
  function show(entry) {
    const axes = axesOf(entry);
    const span = scope.graphs.span();
    if (!source || !axes || !span || !scope.graphs.overTime(entry)) {
      entry.line.hidden = true;
      scope.legend.show(entry);
      return;
    }
    const share = (moment / 1000 - span[0]) / (span[1] - span[0]);
    const index = nearest(entry, moment);
    entry.line.hidden = !(share >= 0 && share <= 1);
    entry.line.style.cssText =
      `left: ${axes.left + share * axes.width}px; top: ${axes.top}px; height: ${axes.height}px`;
    scope.legend.show(entry, index);
    if (entry === source) showReadout(entry, axes, share, index);
  }

  function showReadout(entry, axes, share, index) {
    const rows = index === null ? [] : rowsAt(entry, axes, index);
    const when = document.createElement("b");
    when.textContent = scope.units.spanText(
      index === null ? [moment / 1000, moment / 1000] : scope.legend.stepAt(entry, index),
    );
    const [from, to] = scope.graphs.span();
    const events = scope.events.near(moment / 1000, (to - from) / axes.width);
    readout.replaceChildren(when, ...rows.map(rowOf), ...[...events, refusal].filter(Boolean).map(eventOf));
    const place = axes.left + share * axes.width;
    readout.style.top = `${axes.top}px`;
    readout.style.left = share <= 0.5 ? `${place + 12}px` : "auto";
    readout.style.right = share > 0.5 ? `${entry.host.clientWidth - place + 12}px` : "auto";
    if (readout.parentElement !== entry.host) entry.host.append(readout);
  }

  // The rows of a graph at a point: colour, name and value of each line, and a caution about it.
  function rowsAt(entry, axes, index) {
    const [first] = entry.data;
    if (first.type === "heatmap") return [cellAt(entry, axes, index)];
    const rows = entry.data
      .filter((trace) => scope.legend.isShown(entry, trace.name))
      .map((trace) => rowAt(entry, trace, index, trace.name));
    return [...rows, ...earlierRowsAt(entry, index)];
  }

  // The dashed lines: what each was in the span before that the view is compared with.
  function earlierRowsAt(entry, index) {
    const ms = scope.graphs.toEpochMs(entry.data[0].x[index]);
    return scope.graphs.earlierOf(entry).flatMap((trace) => {
      const at = nearestOf(entry, trace.x, ms);
      if (at === null) return [];
      return [rowAt(entry, trace, at, `${trace.name}, ${scope.view.comparedSpan()}`)];
    });
  }

  const rowAt = (entry, trace, index, name) => ({
    colour: trace.line.color,
    name,
    value: scope.legend.valueText(entry, trace, index),
    note: fewRequests(entry, trace, index),
  });

  function fewRequests(entry, trace, index) {
    const count = trace.meta?.requests?.[index];
    const isGap = (scope.graphs.valuesOf(trace)[index] ?? null) === null;
    if (isGap || count === undefined || count >= entry.layout.meta.few) return "";
    return `few requests: ${count}`;
  }

  const countsAt = (entry, index) => entry.data[0].z.map((cells) => cells[index] || 0);

  // Of a heatmap the cell under the pointer or chosen by keys; over the others' cells the fullest.
  function rowOfCell(entry, axes, index) {
    const column = countsAt(entry, index);
    if (!pointer || source !== entry) {
      const isChosen = source === entry && column[cellRow];
      return isChosen ? cellRow : column.indexOf(Math.max(...column));
    }
    if (pointedRow !== null) return pointedRow;
    const { y } = entry.data[0];
    const up = 1 - (pointer.y - entry.host.getBoundingClientRect().top - axes.top) / axes.height;
    const seconds = 10 ** (axes.range[0] + up * (axes.range[1] - axes.range[0]));
    return Math.min(Math.max(y.findIndex((edge) => edge > seconds) - 1, 0), column.length - 1);
  }

  function cellAt(entry, axes, index) {
    const { y } = entry.data[0];
    const column = countsAt(entry, index);
    const row = rowOfCell(entry, axes, index);
    const read = (seconds) => scope.units.text(entry.layout.meta, seconds);
    const total = column.reduce((sum, count) => sum + count, 0);
    const isOpen = y[row] >= entry.layout.meta.longest;
    return {
      name: isOpen ? `${read(y[row])} or longer` : `${read(y[row])} to ${read(y[row + 1])}`,
      value: `${column[row].toLocaleString("en-US")} of ${total.toLocaleString("en-US")} requests`,
    };
  }

  function rowOf({ colour, name, value, note }) {
    const row = document.createElement("p");
    const swatch = document.createElement("i");
    swatch.style.background = colour || "transparent";
    const title = document.createElement("span");
    title.textContent = name;
    const figure = document.createElement("b");
    figure.textContent = value;
    row.append(swatch, title, figure);
    if (note) row.append(Object.assign(document.createElement("small"), { textContent: note }));
    return row;
  }

  function eventOf(text) {
    return Object.assign(document.createElement("em"), { textContent: text });
  }

  // For a screen reader: the moment, and each value with its unit.
  function announce(entry, index) {
    const axes = axesOf(entry);
    const place = document.getElementById("graph-announcement");
    if (!place || !axes) return;
    const rows = rowsAt(entry, axes, index).map(
      ({ name, value, note }) => `${name} ${value}${note ? `, ${note}` : ""}`,
    );
    const [from, to] = scope.graphs.span();
    const events = scope.events.near(moment / 1000, (to - from) / axes.width);
    const when = scope.units.spanText(scope.legend.stepAt(entry, index));
    place.textContent = [when, ...rows, ...events].join("; ");
  }

  // Moves the cursor by points of the graph; from its newest one where there is no cursor yet.
  function move(entry, by) {
    const x = entry.data[0]?.x || [];
    if (!x.length || !scope.graphs.overTime(entry)) return;
    const before = source === entry ? nearest(entry, moment) : null;
    const wanted = before === null || by === Infinity ? x.length - 1 : before + by;
    const index = Math.min(Math.max(wanted, 0), x.length - 1);
    moment = scope.graphs.toEpochMs(x[index]);
    point(entry, null);
    announce(entry, index);
  }

  // In a heatmap to the next cell with requests, upwards or downwards; without a cursor to the newest.
  function moveCell(entry, by) {
    const axes = axesOf(entry);
    const index = source === entry && !pointer ? nearest(entry, moment) : null;
    if (!axes || index === null) {
      move(entry, 0);
      return;
    }
    const column = countsAt(entry, index);
    let row = rowOfCell(entry, axes, index) + by;
    while (column[row] === 0) row += by;
    if (column[row]) cellRow = row;
    point(entry, null);
    announce(entry, index);
  }

  // The requests of the step at the cursor, in a heatmap those of its cell. Where there is no cursor,
  // or no request in the cell, it says so.
  function openRequests(entry) {
    const axes = axesOf(entry);
    const index = source === entry && !pointer ? nearest(entry, moment) : null;
    if (!axes || !scope.graphs.overTime(entry)) return;
    if (index === null) {
      move(entry, 0);
      refuse(entry, "Enter opens the requests of this moment; ← → choose another.");
    } else if (entry.data[0].type !== "heatmap") scope.graphs.openRequests(stepAt(entry, index));
    else if (!scope.graphs.openCell(entry, index, rowOfCell(entry, axes, index))) {
      refuse(entry, "No request ended in this moment: ← → choose another.");
    }
  }

  function stepAt(entry, index) {
    const [from, to] = scope.legend.stepAt(entry, index);
    return [Math.floor(from), Math.max(Math.ceil(to), Math.floor(from) + 1)];
  }

  function refuse(entry, text) {
    refusal = text;
    schedule();
    const place = document.getElementById("graph-announcement");
    if (place) place.textContent = [place.textContent, text].filter(Boolean).join("; ");
  }

  // Around the cursor, which stays where it is; without one around the middle.
  function zoom(entry, factor) {
    const span = scope.graphs.span();
    if (!span || !scope.graphs.overTime(entry)) return;
    const [from, to] = span;
    const middle = source === entry ? moment / 1000 : (from + to) / 2;
    const length = Math.max((to - from) * factor, SHORTEST_ZOOM_S);
    const end = Math.min(
      middle + (length * (to - middle)) / (to - from),
      Math.max(to, Date.now() / 1000),
    );
    const start = Math.max(Math.floor(end - length), 1);
    scope.view.fix(start, Math.max(Math.ceil(end), start + SHORTEST_ZOOM_S));
  }

  const graphOf = (target) => target instanceof Element && target.closest(".live-graph");

  document.addEventListener("keydown", (event) => {
    const entry = scope.graphs.entryOf(event.target);
    if (!entry || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? MANY_POINTS : 1;
    const acts = {
      ArrowLeft: () => move(entry, -step),
      ArrowRight: () => move(entry, step),
      End: () => move(entry, Infinity),
      Home: () => scope.view.goLive(),
      0: () => scope.view.goLive(),
      Enter: () => openRequests(entry),
      f: () => scope.tools.maximise(entry),
    };
    if (entry.data[0]?.type === "heatmap") {
      acts.ArrowUp = () => moveCell(entry, 1);
      acts.ArrowDown = () => moveCell(entry, -1);
    }
    const act = acts[event.key] || (event.key in ZOOMS && (() => zoom(entry, ZOOMS[event.key])));
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("focusout", (event) => {
    if (source && !pointer && source.host === event.target) clear();
  });

  function follow(event) {
    const host = graphOf(event.target);
    const entry = host && scope.graphs.entryOf(host);
    if (entry && scope.graphs.overTime(entry)) point(entry, { x: event.clientX, y: event.clientY });
    else if (pointer) clear();
  }

  document.addEventListener("pointermove", follow, { passive: true });
  document.addEventListener("pointerdown", follow, { passive: true });
  document.documentElement.addEventListener("pointerleave", (event) => {
    if (pointer && event.pointerType === "mouse") clear();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
  });

  // After a graph was drawn: the pointer stands still while time moves on below it.
  function drawn(entry) {
    if (source === entry && pointer) schedule();
    else show(entry);
  }

  scope.cursor = { drawn };
})();
