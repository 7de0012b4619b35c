// Points that are lower bounds: requests that timed out, and durations beyond those that a histogram
// tells apart, took so long at least. A line through them lies flat, as if nothing took longer: they
// have triangles, and a label says what these mean. So do `servescope/figures/bounds.py`'s.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const SIGN = "▲";
  const MOST_TRIANGLES = 24; // of a line: more would touch each other, and hide it
  const HEADROOM = 0.14; // of the axis, above the highest bound: the label takes it
  const LEAST_HEADROOM = 1.3; // times the highest bound
  const GREY = "#868e96";

  const valuesAt = (trace) => {
    const flags = trace.meta?.bounds;
    if (!flags?.some(Boolean)) return [];
    return scope.graphs.valuesOf(trace).map((value, i) => (flags[i] ? value : null));
  };

  const isValue = (value) => value !== null && value !== undefined;

  // The triangles of a line, as one more trace; none of a line without a bound.
  function marks(trace) {
    const y = valuesAt(trace);
    if (!y.some(isValue)) return [];
    const marker = { symbol: "triangle-up", size: 8, color: trace.line.color, maxdisplayed: MOST_TRIANGLES };
    return [{ ...trace, y, mode: "markers", showlegend: false, marker }];
  }

  // A labelled line at the bound that all of them share, as the timeout of a run; the label alone
  // where they differ. Nothing where there is no bound.
  function reference(entry, traces) {
    const levels = new Set(traces.flatMap(valuesAt).filter(isValue));
    if (!levels.size) return { shapes: [], yaxis: {} };
    const highest = Math.max(...levels);
    const isShared = levels.size === 1;
    const words = isShared ? scope.units.boundWords(entry.layout.meta, highest) : "so long or longer";
    const shape = {
      type: "line",
      layer: "below",
      xref: "paper",
      yref: "y",
      x0: 0.012, // the label begins beside the axis
      x1: 1,
      y0: highest,
      y1: highest,
      line: { color: GREY, dash: "dot", width: isShared ? 1 : 0 },
      label: { text: `${SIGN} ${words}`, textposition: "start", yanchor: "bottom", padding: 6, font: { size: 10 } },
    };
    const values = traces.flatMap((trace) => scope.graphs.valuesOf(trace)).filter((value) => value > 0);
    const top = topOf(entry, values, highest);
    // Plotly ends a logarithmic axis at this value even where others are greater.
    const isAbove = values.every((value) => value <= top);
    return { shapes: [shape], yaxis: isAbove ? { autorangeoptions: { include: top } } : {} };
  }

  // The end of an axis on which the label has room above the highest bound.
  function topOf(entry, values, highest) {
    if (entry.layout.yaxis.type !== "log") return highest * (1 + HEADROOM);
    const lowest = values.reduce((least, value) => Math.min(least, value), highest);
    return highest * Math.max((highest / lowest) ** HEADROOM, LEAST_HEADROOM);
  }

  // The ticks of a heatmap with one for its row that has no upper end, where it has a request. Those
  // above it, and those that its label would cover, go.
  function withOpenRow(entry, { tickvals, ticktext }) {
    const [{ y, z }] = entry.data;
    const [from, to] = y.slice(-2);
    const { longest } = entry.layout.meta;
    if (!(from >= longest) || !z.at(-1).some(isValue)) return { tickvals, ticktext };
    const kept = tickvals.map((_, i) => i).filter((i) => tickvals[i] <= from / (to / from));
    return {
      tickvals: [...kept.map((i) => tickvals[i]), Math.sqrt(from * to)],
      ticktext: [...kept.map((i) => ticktext[i]), scope.units.boundText(entry.layout.meta, longest)],
    };
  }

  scope.bounds = { marks, reference, withOpenRow };
})();
