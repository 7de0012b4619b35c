// The tools of a graph: fill the page with it, take it away as an image, as a table or as a link,
// and see the lowest and highest of its lines. No request leaves the page.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const DONE_MS = 2500;
  const root = document.documentElement;
  const SCALE = 2; // pixels of the image a pixel of the page
  const HEADING_PX = 56;
  const FONT_PX = 12;
  const LINE_PX = 19; // of the legend, as Plotly draws it
  const SAMPLE_PX = 45; // before each name, and the gap to the next one
  const PHONE_PX = 480;
  // Of a heatmap the page has a key above it, which no picture of the graph has in it.
  const COLOUR_KEY = {
    showscale: true,
    colorbar: { thickness: 12, outlinewidth: 0, title: { text: "requests in a cell", side: "right" } },
  };

  // Action, label and title of each button; ACTS carries them out.
  const TOOLS = [
    ["summary", "Min, max", "Lowest, mean and highest of the span"],
    ["image", "PNG", "Copy as an image"],
    ["table", "CSV", "Save as CSV what is drawn"],
    ["link", "Link", "Copy a link to this graph at this time"],
    ["maximise", "Maximise", "Fill the page (key f), Escape goes back"],
  ];

  const panelOf = (entry) => entry.host.closest(".panel");
  const titleOf = (entry) => entry.host.getAttribute("aria-label");
  const button = (entry, action) => panelOf(entry)?.querySelector(`[data-tool="${action}"]`);
  const fileName = (entry, ending) => `${entry.id}.${ending}`;

  function say(entry, action, text) {
    const pressed = button(entry, action);
    if (pressed) {
      pressed.dataset.done = text;
      window.setTimeout(() => delete pressed.dataset.done, DONE_MS);
    }
    const place = document.getElementById("graph-announcement");
    if (place) place.textContent = `${titleOf(entry)}: ${text}`;
  }

  // Below the time bar, which stays at hand; all else is out of sight, and out of the way of Tab.
  function maximise(entry) {
    const panel = panelOf(entry);
    const isUp = panel.dataset.maximised === undefined;
    restore();
    if (!isUp) return;
    panel.dataset.maximised = "";
    root.classList.add("has-maximised");
    button(entry, "maximise")?.setAttribute("aria-pressed", "true");
    fit();
    entry.host.focus({ preventScroll: true });
  }

  function restore() {
    root.classList.remove("has-maximised");
    const panel = document.querySelector("[data-maximised]");
    if (!panel) return;
    delete panel.dataset.maximised;
    panel.querySelector('[data-tool="maximise"]')?.removeAttribute("aria-pressed");
    const host = panel.querySelector(".live-graph");
    host?.scrollIntoView({ block: "nearest" });
    host?.focus({ preventScroll: true });
  }

  function fit() {
    if (!document.querySelector("[data-maximised]")) return;
    const bar = document.getElementById("time-bar").getBoundingClientRect();
    const { style } = root;
    style.setProperty("--maximised-top", `${Math.max(bar.bottom, 0)}px`);
    style.setProperty("--maximised-left", `${bar.left}px`);
  }

  window.addEventListener("resize", fit);
  document.addEventListener("servescope:span", fit); // its sentences may take more lines than before

  function colour(name) {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = window.getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  // The names in columns as wide as the longest of them, which Plotly gives the width of the plot,
  // and the height that their lines take.
  function legendBelow(names, font, width) {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `${FONT_PX}px ${font}`;
    const entrywidth = Math.ceil(Math.max(0, ...names.map((name) => pen.measureText(name).width)));
    const columns = Math.max(Math.floor(width / (entrywidth + SAMPLE_PX)), 1);
    const height = names.length ? Math.ceil(names.length / columns) * LINE_PX + LINE_PX / 2 : 0;
    const place = { x: 0, xref: "container", y: 0, yref: "container", yanchor: "bottom" };
    return [{ orientation: "h", entrywidth, font: { size: FONT_PX }, ...place }, height];
  }

  // As on the page, with the heading and a legend, in the colours of the scheme. The plot keeps its
  // height, however many lines there are.
  function pictured(entry) {
    const { layout } = entry.plot;
    const grid = colour("--mantine-color-default-border");
    const ground = colour("--mantine-color-body");
    const { fontFamily } = window.getComputedStyle(document.body);
    const margin = layout.margin;
    const width = Math.max(entry.host.clientWidth, PHONE_PX);
    const data = entry.plot.data.map((trace) => ({
      ...trace,
      showlegend: Boolean(trace.name) && trace.fill === undefined && trace.showlegend !== false,
      ...(trace.type === "heatmap" ? COLOUR_KEY : {}),
    }));
    const names = data.filter((trace) => trace.showlegend).map((trace) => trace.name);
    const [legend, legendPx] = legendBelow(names, fontFamily, width - margin.l - margin.r);
    return {
      data,
      layout: {
        ...layout,
        title: {
          text: titleOf(entry),
          subtitle: { text: scope.view.spanText(), font: { size: 12 } },
          x: 0.01,
          xanchor: "left",
          font: { size: 15 },
        },
        width,
        height: entry.host.clientHeight + HEADING_PX + legendPx,
        showlegend: names.length > 0,
        legend,
        font: { ...layout.font, family: fontFamily, color: colour("--mantine-color-text") },
        margin: { ...margin, t: margin.t + HEADING_PX, b: margin.b + legendPx },
        paper_bgcolor: ground,
        plot_bgcolor: ground,
        xaxis: { ...layout.xaxis, gridcolor: grid },
        yaxis: { ...layout.yaxis, gridcolor: grid },
      },
    };
  }

  async function image(entry) {
    const picture = pictured(entry);
    const { width, height } = picture.layout;
    const made = window.Plotly.toImage(picture, { format: "png", width, height, scale: SCALE }).then(
      (url) => blobOf(url),
    );
    if (navigator.clipboard?.write && window.ClipboardItem) {
      try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": made })]);
        return "copied";
      } catch {
        // not allowed here: it becomes a file
      }
    }
    save(await made, fileName(entry, "png"));
    return "saved";
  }

  function blobOf(dataUrl) {
    const bytes = window.atob(dataUrl.slice(dataUrl.indexOf(",") + 1));
    return new Blob([Uint8Array.from(bytes, (char) => char.charCodeAt(0))], { type: "image/png" });
  }

  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), DONE_MS);
  }

  async function link(entry) {
    const url = new URL(window.location.href);
    const span = scope.graphs.span();
    if (span) {
      url.searchParams.delete("last");
      url.searchParams.set("from", span[0]);
      url.searchParams.set("to", span[1]);
    }
    url.hash = entry.id;
    if (navigator.clipboard?.writeText) {
      try {
        await navigator.clipboard.writeText(url.href);
        return "copied";
      } catch {
        // not allowed here: the address bar has it
      }
    }
    if (span) scope.view.fix(...span); // the address of a live view would go on with its next poll
    window.history.replaceState(window.history.state, "", url.hash);
    return "in the address bar";
  }

  // RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe before it.
  function field(value) {
    if (value === null || value === undefined) return "";
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  // The drawn data as rows, no more and no less: lines that are shown, points within the span.
  function rowsOf(entry) {
    const meta = entry.layout.meta;
    const [first] = entry.data;
    if (!first) return [["time"]];
    if (!scope.graphs.overTime(entry)) {
      const edge = (i) => {
        const seconds = first.meta.edges[i]; // null: the last bucket has no end
        return seconds === null ? null : Number(seconds.toPrecision(4));
      };
      return [
        ["from (s)", "to (s)", "requests"],
        ...first.x.map((_, i) => [edge(i), edge(i + 1), first.y[i]]),
      ];
    }
    const times = first.x.map((x) => new Date(scope.graphs.toEpochMs(x)).toISOString());
    if (first.type === "heatmap") {
      const edges = first.z.map((_, row) =>
        first.y[row] >= meta.longest ? `longer than ${first.y[row]} s` : `${first.y[row]} to ${first.y[row + 1]} s`);
      return [
        ["time", ...edges],
        ...times.map((time, i) => [time, ...first.z.map((cells) => cells[i])]),
      ];
    }
    const lines = entry.data.filter((trace) => scope.legend.isShown(entry, trace.name));
    const unit = scope.units.unitOf(meta);
    const headings = lines.map((trace) => (unit ? `${trace.name} (${unit})` : trace.name));
    const counted = lines.filter((trace) => trace.meta.requests);
    const bounded = lines.filter((trace) => trace.meta.bounds?.some(Boolean));
    return [
      [
        "time",
        ...headings,
        ...counted.map((trace) => `requests of ${trace.name}`),
        ...bounded.map((trace) => `${trace.name} is a lower bound`),
      ],
      ...times.map((time, i) => [
        time,
        ...lines.map((trace) => scope.graphs.valuesOf(trace)[i]),
        ...counted.map((trace) => trace.meta.requests[i]),
        ...bounded.map((trace) => trace.meta.bounds[i]),
      ]),
    ];
  }

  function table(entry) {
    const text = rowsOf(entry).map((row) => row.map(field).join(",")).join("\r\n");
    save(new Blob([`${text}\r\n`], { type: "text/csv;charset=utf-8" }), fileName(entry, "csv"));
    return "saved";
  }

  const ACTS = {
    maximise,
    image: async (entry) => say(entry, "image", await image(entry)),
    table: (entry) => say(entry, "table", table(entry)),
    link: async (entry) => say(entry, "link", await link(entry)),
    summary: (entry) =>
      button(entry, "summary").setAttribute("aria-pressed", String(scope.legend.summarise(entry))),
  };

  document.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element && event.target.closest("[data-tool]");
    const entry = pressed && scope.graphs.byId(pressed.parentElement.dataset.graph);
    if (entry) ACTS[pressed.dataset.tool](entry);
  });

  // One stop of Tab for a toolbar; the arrow keys lead through it.
  document.addEventListener("keydown", (event) => {
    const bar = event.target instanceof Element && event.target.closest(".graph-tools");
    if (!bar) return;
    const tools = [...bar.children].filter((tool) => !tool.hidden);
    const ends = { Home: 0, End: tools.length - 1 };
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined && !(event.key in ends)) return;
    event.preventDefault();
    const next = ends[event.key] ?? (tools.indexOf(event.target) + by + tools.length) % tools.length;
    for (const tool of tools) tool.tabIndex = -1;
    tools[next].tabIndex = 0;
    tools[next].focus();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") restore();
  });

  function made([action, label, title]) {
    const tool = document.createElement("button");
    Object.assign(tool, { type: "button", textContent: label, title, tabIndex: -1 });
    tool.dataset.tool = action;
    return tool;
  }

  // The toolbar of a graph that has a figure now: only lines have a lowest and highest.
  function offer(entry) {
    const bar = panelOf(entry)?.querySelector(".graph-tools");
    if (!bar) return;
    if (!bar.childElementCount) bar.append(...TOOLS.map(made));
    const summary = button(entry, "summary");
    summary.hidden = !entry.data.every((trace) => trace.type === "scatter");
    summary.setAttribute("aria-pressed", String(scope.legend.isSummarised(entry)));
    const tools = [...bar.children].filter((tool) => !tool.hidden);
    if (!tools.some((tool) => tool.tabIndex === 0)) tools[0].tabIndex = 0;
  }

  scope.tools = { maximise, restore, offer };
})();
