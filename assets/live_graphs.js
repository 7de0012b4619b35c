// Draws what polls bring: keeps each graph's arrays, appends, trims, and redraws at most one graph
// in an animation frame, only while it is in sight. Its legend stays what it is until then: both say
// of the same moment what it was. Plotly draws into plain elements of our own:
// dcc.Graph would put its first, empty figure back whenever a person zooms.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const entries = new Map();
  const MINUTE_MS = 60000;
  const SHORTEST_ZOOM_S = 5;
  const WAIT_MS = 10; // for Plotly, which comes last
  const NOBODY_ANSWERS = ["none-runs", "listener-stopped", "not-listening", "listener-down",
    "no-such-listener", "listener-gone"]
    .map((code) => `.finding[data-code=${code}]:not(.path-findings *)`) // which is narrowed by itself
    .join();
  const NOT_RECORDED = "Nothing was recorded in this span.";
  const LONE_POINT_PX = 5;
  const POINTER_PX = 8; // so near a cell of a heatmap is meant
  const FINGER_PX = 16;
  const SECONDS_LABEL_PX = 60; // `14:03:30`, with the gap to the next one
  const TIME_LABEL_PX = 46; // `14:03`
  const TIME_STEPS_S = [
    ...[1, 2, 5, 10, 15, 30], // seconds
    ...[1, 2, 5, 10, 15, 30].map((minutes) => 60 * minutes),
    ...[1, 2, 3, 6, 12].map((hours) => 3600 * hours),
  ];
  const NARROW_PX = 420;
  const FEW_COUNTS = 3;
  const TICK_CHARACTER_PX = 7.5; // of the font of the axes, with a gap spread over eight
  const NOTE_GAP_PX = 6; // from the labels of the axis, which the note would cover
  const OF_POINTS = ["requests", "bounds"]; // lists in a trace's meta, an entry a point
  const OF_FEW = { dash: "dot", width: 1.2 };
  const EMPTY_SECONDS = [-4, -1]; // powers of ten, of a logarithmic axis without points
  const CONFIG = { displayModeBar: false, doubleClick: false, showTips: false, scrollZoom: false };
  const coarsePointer = window.matchMedia("(pointer: coarse)");

  let span = null; // [from, to] in epoch seconds
  let step = 0; // seconds
  let isFixed = false; // a view of the past, or paused
  let isRecorded = true; // any second of it
  let revision = 0;
  let frame = ""; // the span and the events that are drawn, as text
  let scheduled = false;
  let hasJumped = false; // to the graph that the address names

  // Plotly shows dates in UTC. People read clocks: times are shifted by the zone they chose.
  function shown(ms) {
    return ms - scope.clock.offsetMinutes(ms) * MINUTE_MS;
  }

  function shownAll(values) {
    if (!values.length) return [];
    const first = scope.clock.offsetMinutes(values[0]);
    const last = scope.clock.offsetMinutes(values[values.length - 1]);
    if (first !== last) return values.map(shown); // a change to or from summer time lies within
    return values.map((ms) => ms - first * MINUTE_MS);
  }

  function toEpochMs(drawn) {
    const ms = typeof drawn === "number" ? drawn : utcMs(String(drawn).replace(" ", "T"));
    // The zone's offset at that time; the first guess may lie on the other side of a change to it.
    const guess = ms + scope.clock.offsetMinutes(ms) * MINUTE_MS;
    return ms + scope.clock.offsetMinutes(guess) * MINUTE_MS;
  }

  const utcMs = (text) => Date.parse(text.includes("T") ? `${text}Z` : `${text}T00:00Z`);

  const sight = new IntersectionObserver(
    (changes) => {
      for (const change of changes) {
        const entry = entries.get(change.target.id);
        if (entry) entry.inSight = change.isIntersecting;
      }
      schedule();
    },
    { rootMargin: "200px" },
  );

  const sizes = new ResizeObserver((changes) => {
    for (const change of changes) mark(entries.get(change.target.id));
  });

  function enter(id) {
    const host = document.getElementById(id);
    const known = entries.get(id);
    if (known && known.host === host) return known;
    if (known) leave(id, known);
    if (!host) return null;
    const plot = document.createElement("div");
    const note = document.createElement("p");
    const line = document.createElement("i");
    plot.className = "live-graph-plot";
    note.className = "live-graph-note";
    line.className = "graph-cursor";
    line.hidden = true;
    host.replaceChildren(plot, note, line);
    const entry = { id, host, plot, note, line, data: [], earlier: [], layout: {}, inSight: true };
    entries.set(id, entry);
    sight.observe(host);
    sizes.observe(host);
    return entry;
  }

  function leave(id, entry) {
    sight.unobserve(entry.host);
    sizes.unobserve(entry.host);
    if (window.Plotly && entry.bound) window.Plotly.purge(entry.plot);
    entries.delete(id);
  }

  function forgetLeftPages() {
    for (const [id, entry] of entries) if (!entry.host.isConnected) leave(id, entry);
  }

  function mark(entry) {
    if (!entry) return;
    entry.dirty = true;
    schedule();
  }

  function markAll() {
    for (const entry of entries.values()) mark(entry);
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    window.requestAnimationFrame(() => {
      scheduled = false;
      if (!window.Plotly) {
        window.setTimeout(schedule, WAIT_MS);
        return;
      }
      for (const entry of entries.values()) {
        if (entry.dirty && (entry.inSight || !entry.bound) && entry.host.isConnected && !entry.plot._dragging) {
          draw(entry);
          schedule();
          return;
        }
      }
    });
  }

  // A printed page has all of its graphs in sight, and no frame comes before it is printed.
  window.addEventListener("beforeprint", () => {
    if (window.Plotly) for (const entry of entries.values()) if (entry.dirty && entry.host.isConnected) draw(entry);
  });

  // At once, before Dash goes on with the page's callbacks; the others come frame by frame.
  function drawFirst() {
    const [entry] = entries.values();
    if (window.Plotly && entry?.dirty) draw(entry);
  }

  const overTime = (entry) => !(entry.layout.meta && entry.layout.meta.time === false);
  const isHeatmap = (entry) => entry.data[0]?.type === "heatmap";
  const isStacked = (entry) => Boolean(entry.layout.meta && entry.layout.meta.stacked);

  function valuesOf(trace) {
    return trace.customdata || trace.y || [];
  }

  function isEmpty(entry) {
    return entry.data.every((trace) => {
      if (trace.type === "heatmap") return !trace.z.some((row) => row.some((v) => v !== null));
      return !valuesOf(trace).some((value) => value !== null);
    });
  }

  // Rates of what did not happen at all: a line at 0 says less than a sentence.
  const isIdle = (entry) =>
    Boolean(entry.layout.meta?.of_events) && entry.data.every((trace) => !valuesOf(trace).some(Boolean));

  const isBlank = (entry) => isEmpty(entry) || isIdle(entry);

  // The areas under a stacked line, without outline and hover. Plotly joins the filled pieces on
  // both sides of a gap: so the area goes down to zero at its edges.
  function areaUnder(trace, y) {
    const area = { x: [], y: [] };
    const put = (x, value) => {
      area.x.push(x);
      area.y.push(value);
    };
    y.forEach((value, i) => {
      if (value === null) {
        if (i && y[i - 1] !== null) put(trace.x[i - 1], 0);
      } else {
        if (i && y[i - 1] === null) put(trace.x[i], 0);
        put(trace.x[i], value);
      }
    });
    return {
      ...area,
      type: "scatter",
      mode: "lines",
      hoverinfo: "skip",
      fill: "tozeroy",
      fillcolor: trace.fillcolor,
      line: { width: 0, shape: trace.line.shape },
    };
  }

  // A value between two gaps is no line: it gets a dot, or nobody would see it.
  function withLonePoints(trace) {
    if (trace.mode !== "lines" || !trace.y) return trace;
    const y = trace.y;
    const isLone = (value, i) => value !== null && (y[i - 1] ?? null) === null && (y[i + 1] ?? null) === null;
    if (!y.some(isLone)) return trace;
    const size = y.map((value, i) => (isLone(value, i) ? LONE_POINT_PX : 0));
    return { ...trace, mode: "lines+markers", marker: { size, color: trace.line.color } };
  }

  // Points of few requests are thin and dotted, with what leads to them: never as if exact.
  function byRequests(entry, trace) {
    const counts = trace.meta && trace.meta.requests;
    const isFew = (value, i) => (value ?? null) !== null && counts[i] < entry.layout.meta.few;
    if (!counts || !trace.y.some(isFew)) return [trace];
    const few = trace.y.map(isFew);
    const exact = trace.y.map((value, i) => (few[i] ? null : value));
    const dotted = trace.y.map((value, i) => (few[i] || few[i - 1] || few[i + 1] ? value : null));
    return [
      { ...trace, y: exact },
      { ...trace, y: dotted, showlegend: false, line: { ...trace.line, ...OF_FEW } },
    ];
  }

  const shownOf = (entry) => entry.data.filter((trace) => scope.legend.isShown(entry, trace.name));

  // The lines of an earlier span, of those that are shown; of stacked ones there is their sum alone.
  const earlierOf = (entry) =>
    entry.earlier.filter((trace) => isStacked(entry) || scope.legend.isShown(entry, trace.name));

  const linesOf = (entry) => (isHeatmap(entry) ? [] : [...shownOf(entry), ...earlierOf(entry)]);

  // Each area reaches from zero to the sum of all below it: the highest is drawn first.
  function stacked(entry) {
    const sums = new Array(entry.data.length ? entry.data[0].x.length : 0).fill(0);
    const areas = [];
    const lines = [];
    for (const trace of shownOf(entry)) {
      const y = trace.customdata.map((value, i) => {
        if (value === null) return null;
        sums[i] += value;
        return sums[i];
      });
      areas.unshift(areaUnder(trace, y));
      lines.unshift(withLonePoints({ ...trace, y }));
    }
    return [...areas, ...lines];
  }

  // Ticks of a logarithmic axis over all that the graph shows.
  function logTicks(entry, { autorangeoptions }) {
    let low = Infinity;
    let high = 0;
    for (const trace of entry.data) {
      for (const value of trace.y || []) {
        if (value > 0 && value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (!high) [low, high] = (entry.layout.yaxis.range || EMPTY_SECONDS).map((power) => 10 ** power);
    const top = isHeatmap(entry) ? high : autorangeoptions?.include; // Plotly adds no room to cells
    const ticks = scope.units.logTicks(entry.layout.meta, low, high, top);
    return isHeatmap(entry) ? scope.bounds.withOpenRow(entry, ticks) : ticks;
  }

  // The most that an axis of counts shows; of stacked lines no less than that.
  function mostOf(entry) {
    const lines = [...shownOf(entry), ...earlierOf(entry)];
    const most = lines.map((trace) => Math.max(0, ...valuesOf(trace)));
    return isStacked(entry) ? most.reduce((sum, one) => sum + one, 0) : Math.max(0, ...most);
  }

  // The room that the longest label of an axis takes: `10,000 ms` would be cut off in the usual margin.
  const tickWidth = (texts = []) => Math.max(0, ...texts.map((text) => text.length * TICK_CHARACTER_PX));

  // The ticks of a logarithmic axis, as many as stand beside each other in a width: every second one
  // goes until they do. The last one stays: it may say that a bar has no end.
  function withRoom({ tickvals, ticktext, range: [from, to] }, width) {
    const places = tickvals.map((value) => (width * (Math.log10(value) - from)) / (to - from));
    const half = (i) => (ticktext[i].length * TICK_CHARACTER_PX) / 2;
    const isCovered = (i, at, all) => at > 0 && places[i] - half(i) < places[all[at - 1]] + half(all[at - 1]);
    let kept = tickvals.map((_, i) => i);
    while (kept.some(isCovered)) kept = kept.filter((_, at) => (kept.length - at) % 2 === 1);
    return { tickvals: kept.map((i) => tickvals[i]), ticktext: kept.map((i) => ticktext[i]) };
  }

  // The shortest step at which times lie side by side: Plotly's own number of ticks is the most of
  // them, and it may take one where there is room for four.
  function timeTicks(seconds, room) {
    const width = (step) => (step < 60 ? SECONDS_LABEL_PX : TIME_LABEL_PX);
    const step = TIME_STEPS_S.find((one) => (room * one) / seconds >= width(one));
    return step ? { dtick: 1000 * step, tick0: "2000-01-01" } : { nticks: Math.floor(room / TIME_LABEL_PX) };
  }

  function eventShapes(entry, margin) {
    if (!overTime(entry) || !span) return [];
    return scope.events.shapes({ ...entry.layout, margin }, entry.host.clientWidth, span, shown);
  }

  function layoutOf(entry) {
    const bounds = scope.bounds.reference(entry, linesOf(entry));
    const ticks = entry.layout.yaxis.type === "log" ? logTicks(entry, bounds.yaxis) : {};
    const l = Math.max(entry.layout.margin.l, tickWidth(ticks.ticktext));
    const margin = { ...entry.layout.margin, l };
    const layout = {
      ...entry.layout,
      margin,
      datarevision: ++revision,
      width: entry.host.clientWidth,
      height: entry.host.clientHeight,
      shapes: [...(entry.layout.shapes || []), ...bounds.shapes, ...eventShapes(entry, margin)],
      xaxis: { ...entry.layout.xaxis },
      yaxis: { ...entry.layout.yaxis, ...bounds.yaxis },
    };
    const isNarrow = entry.host.clientWidth < NARROW_PX;
    if (overTime(entry) && span) {
      layout.xaxis.range = span.map((seconds) => shown(seconds * 1000));
      if (isNarrow) {
        const room = entry.host.clientWidth - margin.l - margin.r;
        Object.assign(layout.xaxis, { ...timeTicks(span[1] - span[0], room), tickangle: 0 });
      }
    } else if (layout.xaxis.tickvals) {
      Object.assign(layout.xaxis, withRoom(layout.xaxis, entry.host.clientWidth - margin.l - margin.r));
    }
    if (layout.yaxis.type === "log") {
      Object.assign(layout.yaxis, ticks);
      // Plotly's own range for an axis without points has labels too long to fit.
      if (isEmpty(entry) && !layout.yaxis.range) layout.yaxis.range = EMPTY_SECONDS;
    }
    // Nobody has half a connection. From there on Plotly's own ticks are whole numbers.
    if (entry.layout.meta?.whole && mostOf(entry) < FEW_COUNTS) layout.yaxis.dtick = 1;
    // Of nothing there is no other value: 4 B would be Plotly's.
    if (isBlank(entry) && layout.yaxis.type !== "log" && !layout.yaxis.range) {
      Object.assign(layout.yaxis, { tickmode: "array", tickvals: [0] });
    }
    if (coarsePointer.matches) layout.dragmode = false; // a finger on a graph scrolls the page
    return layout;
  }

  // Why a graph is empty. In the past no advice helps, nor where a finding of the page says that no
  // request can come now; and what was not recorded is not known.
  function noteOf({ host }) {
    if (isFixed && !isRecorded) return [NOT_RECORDED];
    const isVain = isFixed || document.querySelector(NOBODY_ANSWERS) !== null;
    const advice = isVain ? [] : JSON.parse(host.dataset.advice);
    return advice.length ? [host.dataset.empty, " ", ...advice] : [host.dataset.empty];
  }

  function draw(entry) {
    entry.dirty = false;
    if (!entry.host.clientWidth) return;
    if (entry.comingLegend) scope.legend.set(entry, ...entry.comingLegend);
    entry.comingLegend = null;
    const traces = isStacked(entry)
      ? stacked(entry)
      : shownOf(entry).flatMap((trace) => byRequests(entry, trace)).map(withLonePoints);
    const triangles = linesOf(entry).flatMap(scope.bounds.marks);
    window.Plotly.react(entry.plot, [...earlierOf(entry), ...traces, ...triangles], layoutOf(entry), CONFIG);
    if (!entry.bound) bind(entry);
    const isNothing = isBlank(entry);
    if (isNothing) scope.plainHtml.show(entry.note, noteOf(entry));
    if (isNothing) entry.note.style.left = `${entry.plot._fullLayout._size.l + NOTE_GAP_PX}px`;
    entry.host.dataset.state = isNothing ? "empty" : "drawn";
    scope.cursor.drawn(entry);
    jumpTo(entry);
  }

  // The graph that a link names was not there when the browser looked for it.
  function jumpTo(entry) {
    if (hasJumped || window.location.hash !== `#${entry.id}`) return;
    hasJumped = true;
    scope.view.jump();
    entry.host.focus({ preventScroll: true });
  }

  function bind(entry) {
    entry.bound = true;
    entry.plot.on("plotly_relayout", (change) => {
      const from = change["xaxis.range[0]"];
      if (from === undefined) return;
      const to = change["xaxis.range[1]"];
      const start = Math.floor(toEpochMs(from) / 1000);
      const end = Math.max(Math.ceil(toEpochMs(to) / 1000), start + SHORTEST_ZOOM_S);
      mark(entry);
      scope.view.fix(start, end);
    });
    entry.plot.on("plotly_doubleclick", () => scope.view.goLive());
    entry.plot.addEventListener("click", (event) => openCellAt(entry, event));
  }

  // (Plotly tells of no click where it shows nothing at the pointer.)
  function openCellAt(entry, { clientX, clientY }) {
    const cell = cellNear(entry, clientX, clientY);
    if (cell) openCell(entry, cell.column, cell.row);
  }

  // The cell of a heatmap with requests that is at a point of the window, or nearest to it: a cell may
  // be narrower than a pixel. Null where none is near.
  function cellNear(entry, clientX, clientY) {
    const [trace] = entry.data;
    if (trace?.type !== "heatmap" || !entry.plot._fullLayout) return null;
    const { xaxis, yaxis } = entry.plot._fullLayout;
    const box = entry.plot.getBoundingClientRect();
    const [left, top] = [clientX - box.left - xaxis._offset, clientY - box.top - yaxis._offset];
    const half = (xaxis._length * step) / (span[1] - span[0]) / 2;
    const edges = trace.y.map((seconds) => yaxis.d2p(seconds));
    let nearest = null;
    let distance = coarsePointer.matches ? FINGER_PX : POINTER_PX;
    trace.x.forEach((middle, column) => {
      const beside = Math.max(Math.abs(xaxis.c2p(middle) - left) - half, 0);
      if (beside >= distance) return;
      trace.z.forEach((cells, row) => {
        if (!cells[column]) return;
        const apart = Math.hypot(beside, Math.max(edges[row + 1] - top, top - edges[row], 0));
        if (apart < distance) [nearest, distance] = [{ column, row }, apart];
      });
    });
    return nearest;
  }

  // The requests of a heatmap's cell: those of its step that took from its lower to its upper edge.
  // False where it has none.
  function openCell(entry, column, row) {
    const [{ x, y, z }] = entry.data;
    if (!z[row]?.[column]) return false;
    const start = Math.round(toEpochMs(x[column]) / 1000);
    const written = (edge) => `${Number((edge * 1e3).toPrecision(6))} ms`;
    const isOpen = y[row] >= entry.layout.meta.longest; // its cells have no upper end
    openRequests([start, start + (step || 1)], {
      slower: written(y[row]),
      ...(isOpen ? {} : { faster: written(y[row + 1]) }),
    });
    return true;
  }

  // The requests of a span, of the listener that the page is narrowed to.
  function openRequests([from, to], narrowed = {}) {
    const listener = new URLSearchParams(window.location.search).get("listener");
    scope.view.showRequests(from, to, listener ? { ...narrowed, listener } : narrowed);
  }

  // `earlier`: lines of an earlier span, drawn at the times of this one.
  function setFigure(id, figure, earlier = []) {
    const entry = enter(id);
    if (!entry) return;
    entry.data = figure.data;
    entry.layout = figure.layout;
    entry.earlier = earlier;
    if (overTime(entry)) for (const trace of [...entry.data, ...earlier]) trace.x = shownAll(trace.x);
    scope.tools.offer(entry);
    mark(entry);
  }

  // There are no figures to be had: those on the page are of another host, or there are none.
  function blank() {
    for (const entry of entries.values()) {
      entry.data = [];
      entry.earlier = [];
      entry.comingLegend = null;
      scope.legend.clear(entry);
      mark(entry);
    }
  }

  // A figure without a bound has no list of them; one may come with any later point.
  function pushOfPoint(trace, name, value) {
    if (value === undefined && !trace.meta?.[name]) return;
    trace.meta ??= {};
    trace.meta[name] ??= new Array(trace.x.length - 1).fill(0);
    trace.meta[name].push(value ?? 0);
  }

  function append(id, delta) {
    const entry = entries.get(id);
    if (!entry || !entry.host.isConnected) return;
    const xs = shownAll(delta.x);
    entry.data.forEach((trace, position) => {
      // A point that is there already was the newest one of a poll that was answered twice.
      const newest = trace.x.length ? trace.x[trace.x.length - 1] : -Infinity;
      xs.forEach((x, i) => {
        if (x <= newest) return;
        trace.x.push(x);
        if (trace.type === "heatmap") trace.z.forEach((row, r) => row.push(delta.z[i][r]));
        else valuesOf(trace).push(delta.y[position][i]);
        for (const name of OF_POINTS) pushOfPoint(trace, name, delta[name]?.[position][i]);
      });
    });
    mark(entry);
  }

  function trim(entry) {
    if (!overTime(entry) || !span) return;
    const start = shown(span[0] * 1000);
    for (const trace of entry.data) {
      const kept = trace.x.findIndex((x) => x >= start);
      const gone = kept < 0 ? trace.x.length : kept;
      if (!gone) continue;
      trace.x.splice(0, gone);
      if (trace.type === "heatmap") trace.z.forEach((row) => row.splice(0, gone));
      else valuesOf(trace).splice(0, gone);
      for (const name of OF_POINTS) trace.meta?.[name]?.splice(0, gone);
    }
  }

  function setFrame({ span: newSpan, events, step: newStep, fixed, counted }) {
    const wanted = JSON.stringify([newSpan, events, fixed, counted]);
    span = newSpan;
    step = newStep;
    isFixed = fixed;
    isRecorded = counted !== null;
    scope.events.set(events);
    forgetLeftPages();
    if (wanted === frame) return;
    frame = wanted;
    for (const entry of entries.values()) trim(entry);
    markAll();
  }

  function setLegend(id, lines, of) {
    const entry = entries.get(id);
    if (!entry) return;
    const waits = entry.bound && !entry.inSight; // with the figure
    entry.comingLegend = waits ? [lines, of] : null;
    if (!waits) scope.legend.set(entry, lines, of);
  }

  const byId = (id) => entries.get(id);
  // The graph whose host this is; a part of a graph is none.
  const entryOf = (host) => (host instanceof Element && entries.get(host.id)) || null;

  scope.graphs = {
    setFigure, append, blank, setFrame, setLegend, drawFirst, // for answers
    all: () => entries.values(), byId, entryOf, mark, markAll, span: () => span, // for its parts
    overTime, valuesOf, earlierOf, shown, toEpochMs, cellNear, openCell, openRequests,
  };
})();
