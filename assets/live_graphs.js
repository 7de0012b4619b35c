// Draws what polls bring: keeps each graph's arrays, appends, trims, and redraws at most one graph
// in an animation frame, only while it is in sight. Plotly draws into plain elements of our own:
// dcc.Graph would put its first, empty figure back whenever a person zooms.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const entries = new Map();
  const MINUTE_MS = 60000;
  const SHORTEST_ZOOM_S = 5;
  const LABEL_PX = 5.6; // width of a character of an event's label
  const FEW_DECADES = 50;
  const DAY_S = 86400;
  const LONE_POINT_PX = 5;
  const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const CONFIG = { displayModeBar: false, doubleClick: false, showTips: false, scrollZoom: false };
  const coarsePointer = window.matchMedia("(pointer: coarse)");

  let span = null; // [from, to] in epoch seconds
  let events = [];
  let revision = 0;
  let scheduled = false;

  // Plotly shows dates in UTC. People read clocks: times are shifted by the browser's zone.
  function shown(ms) {
    return ms - new Date(ms).getTimezoneOffset() * MINUTE_MS;
  }

  function shownAll(values) {
    if (!values.length) return [];
    const first = new Date(values[0]).getTimezoneOffset();
    const last = new Date(values[values.length - 1]).getTimezoneOffset();
    if (first !== last) return values.map(shown); // a change to or from summer time lies within
    return values.map((ms) => ms - first * MINUTE_MS);
  }

  function toEpochMs(drawn) {
    if (typeof drawn === "number") return drawn + new Date(drawn).getTimezoneOffset() * MINUTE_MS;
    const text = String(drawn).replace(" ", "T");
    return new Date(text.includes("T") ? text : `${text}T00:00`).getTime();
  }

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
    plot.className = "live-graph-plot";
    note.className = "live-graph-note";
    note.textContent = host.dataset.empty || "";
    host.replaceChildren(plot, note);
    const entry = { id, host, plot, note, data: [], layout: {}, hidden: new Set(), inSight: true };
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

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    window.requestAnimationFrame(() => {
      scheduled = false;
      if (!window.Plotly) {
        window.setTimeout(schedule, 50);
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

  const overTime = (entry) => !(entry.layout.meta && entry.layout.meta.time === false);
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
      fillcolor: trace.line.color,
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

  // Each area reaches from zero to the sum of all below it: the highest is drawn first.
  function stacked(entry) {
    const sums = new Array(entry.data.length ? entry.data[0].x.length : 0).fill(0);
    const areas = [];
    const lines = [];
    for (const trace of entry.data) {
      if (entry.hidden.has(trace.name)) continue;
      const y = trace.customdata.map((value, i) => {
        if (value === null) return null;
        sums[i] += value;
        return sums[i];
      });
      areas.unshift(areaUnder(trace, y));
      lines.unshift({ ...trace, y });
    }
    return [...areas, ...lines];
  }

  // Which events have room for a label, and how much of it: load runs first, none over another.
  function eventLabels(width, left) {
    const taken = [];
    const labels = new Map();
    const byRank = events
      .map((event, position) => ({ event, position }))
      .sort((a, b) => (b.event[0] === "load_run") - (a.event[0] === "load_run"));
    for (const { event, position } of byRank) {
      const x = left(Math.max(event[1], span[0]));
      for (const text of [event[3], event[3].split(":")[0]]) {
        const end = x + text.length * LABEL_PX;
        if (end > width || taken.some(([a, b]) => x < b && end > a)) continue;
        taken.push([x, end]);
        labels.set(position, text);
        break;
      }
    }
    return labels;
  }

  function eventShapes(entry) {
    if (!overTime(entry) || !span) return [];
    const [from, to] = span;
    const margin = entry.layout.margin;
    const width = entry.host.clientWidth - margin.l - margin.r;
    const labels = eventLabels(width, (second) => ((second - from) / (to - from)) * width);
    return events.map(([kind, start, end], position) => {
      const isSpan = kind === "load_run";
      const x0 = Math.max(start, from);
      const x1 = isSpan ? Math.min(end === null ? to : end, to) : x0;
      return {
        type: isSpan ? "rect" : "line",
        layer: isSpan ? "below" : "above",
        xref: "x",
        yref: "paper",
        x0: shown(x0 * 1000),
        x1: shown(x1 * 1000),
        y0: 0,
        y1: 1,
        fillcolor: "rgba(121,80,242,0.12)",
        line: isSpan ? { width: 0 } : { width: 1, dash: "dot", color: "rgba(134,142,150,0.9)" },
        label: {
          text: labels.get(position) || "",
          textposition: isSpan ? "top left" : "end",
          textangle: 0,
          xanchor: "left",
          yanchor: "bottom", // above the graph, where no line strikes it through
          font: { size: 10 },
          padding: 1,
        },
      };
    });
  }

  // On a logarithmic axis Plotly labels 2 and 5 as well: too much beyond a few decades.
  function coarseTicks(entry) {
    let low = Infinity;
    let high = 0;
    for (const trace of entry.data) {
      for (const value of trace.y || []) {
        if (value > 0 && value < low) low = value;
        if (value > high) high = value;
      }
    }
    return high / low > FEW_DECADES ? { dtick: 1 } : {};
  }

  function layoutOf(entry) {
    const layout = {
      ...entry.layout,
      datarevision: ++revision,
      width: entry.host.clientWidth,
      height: entry.host.clientHeight,
      shapes: [...(entry.layout.shapes || []), ...eventShapes(entry)],
      xaxis: { ...entry.layout.xaxis },
      yaxis: { ...entry.layout.yaxis },
    };
    if (overTime(entry) && span) {
      layout.xaxis.range = span.map((seconds) => shown(seconds * 1000));
      if (entry.host.clientWidth < 420) layout.xaxis.nticks = 4;
    }
    if (layout.yaxis.type === "log" && entry.data.every((trace) => trace.type === "scatter")) {
      Object.assign(layout.yaxis, coarseTicks(entry));
    }
    // Plotly's own range for a logarithmic axis without points has labels too long to fit.
    if (layout.yaxis.type === "log" && isEmpty(entry) && !layout.yaxis.range) {
      layout.yaxis.range = [-1, 2];
    }
    if (coarsePointer.matches) layout.dragmode = false; // a finger on a graph scrolls the page
    return layout;
  }

  function draw(entry) {
    entry.dirty = false;
    if (!entry.host.clientWidth) return;
    const traces = isStacked(entry)
      ? stacked(entry)
      : entry.data.filter((trace) => !entry.hidden.has(trace.name)).map(withLonePoints);
    window.Plotly.react(entry.plot, traces, layoutOf(entry), CONFIG);
    if (!entry.bound) bind(entry);
    entry.host.dataset.state = isEmpty(entry) ? "empty" : "drawn";
    if (entry.hovered && entry.plot.matches(":hover")) {
      window.Plotly.Fx.hover(entry.plot, entry.hovered); // a redraw takes the hover label away
    }
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
    entry.plot.on("plotly_hover", (hit) => {
      entry.hovered = hit.event && { clientX: hit.event.clientX, clientY: hit.event.clientY,
        target: hit.event.target };
    });
    entry.plot.on("plotly_unhover", () => {
      entry.hovered = null;
    });
  }

  function setFigure(id, figure) {
    const entry = enter(id);
    if (!entry) return;
    entry.data = figure.data;
    entry.layout = figure.layout;
    if (overTime(entry)) for (const trace of entry.data) trace.x = shownAll(trace.x);
    mark(entry);
  }

  // There are no figures to be had: those on the page are of another host, or there are none.
  function blank() {
    for (const entry of entries.values()) {
      entry.data = [];
      document.getElementById(`${entry.id}-legend`)?.replaceChildren();
      mark(entry);
    }
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
    }
  }

  function setFrame(newSpan, newEvents) {
    const moved = JSON.stringify([span, events]) !== JSON.stringify([newSpan, newEvents]);
    span = newSpan;
    events = newEvents;
    forgetLeftPages();
    if (!moved) return;
    for (const entry of entries.values()) {
      trim(entry);
      mark(entry);
    }
  }

  // The span that the values of a legend are of: one second, a step, or all that the graph shows.
  function spanText([from, to]) {
    const day = to - from >= DAY_S ? { day: "numeric", month: "short" } : {};
    const clock = new Intl.DateTimeFormat(undefined, { ...CLOCK, ...day });
    const begin = clock.format(from * 1000);
    return to - from <= 1 ? `at ${begin}` : `${begin} – ${clock.format(to * 1000)}`;
  }

  function setLegend(id, lines, of) {
    const legend = document.getElementById(`${id}-legend`);
    const entry = entries.get(id);
    if (!legend || !entry) return;
    const names = lines.map((line) => line.name).join("\n");
    if (legend.dataset.names !== names || !legend.childElementCount) {
      legend.dataset.names = names;
      const when = document.createElement("small");
      legend.replaceChildren(...lines.map((line) => legendItem(entry, line)), when);
    }
    lines.forEach((line, i) => {
      legend.children[i].lastElementChild.textContent = line.value;
    });
    legend.lastElementChild.textContent = lines.length ? spanText(of) : "";
  }

  function legendItem(entry, line) {
    const item = document.createElement("button");
    item.type = "button";
    item.className = "legend-item";
    item.title = `Show or hide ${line.name}`;
    item.setAttribute("aria-pressed", String(!entry.hidden.has(line.name)));
    const swatch = document.createElement("i");
    swatch.style.borderTopColor = line.colour;
    swatch.style.borderTopStyle = { solid: "solid", dash: "dashed" }[line.dash] || "dotted";
    const name = document.createElement("span");
    name.textContent = line.name;
    item.append(swatch, name, document.createElement("b"));
    item.addEventListener("click", () => {
      if (!entry.hidden.delete(line.name)) entry.hidden.add(line.name);
      item.setAttribute("aria-pressed", String(!entry.hidden.has(line.name)));
      mark(entry);
    });
    return item;
  }

  scope.graphs = { setFigure, append, blank, setFrame, setLegend, spanText };
})();
