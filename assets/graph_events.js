// Events on the time axis of every graph: load runs as grounds, all others as lines, with labels
// where there is room; which kinds of them a person wants to see, and links to the load runs.
// An event is [kind, start, end, text, address], in epoch seconds.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const LEFT_OUT_KEY = "servescope-events-left-out";
  const RUN = "load_run";
  const LISTENER = "listener";
  const LEADER = "leader";
  const LABEL_PX = 10;
  const LABEL_PADDING_PX = 3; // above the graph: a line at its upper edge does not touch the label
  const SPAN_PADDING_PX = LABEL_PADDING_PX + 3; // Plotly's padding in a rectangle: at its own corner
  const GAP_PX = 14; // between two labels: less, and they read as one
  const NEAR_PX = 6; // so far from the cursor an event is told of
  const BESIDE_PX = 24; // events closer than this may share a label
  const MOST_NAMED = 4; // in one label
  const MOST_WIDTHS = 500;
  const canvas = document.createElement("canvas").getContext("2d");
  const widths = new Map();

  let all = [];
  let leftOut = new Set(remembered());

  function remembered() {
    try {
      const kinds = JSON.parse(window.localStorage.getItem(LEFT_OUT_KEY) || "[]");
      return Array.isArray(kinds) ? kinds : [];
    } catch {
      return []; // the browser keeps nothing for us, or not what we wrote
    }
  }

  function remember() {
    try {
      window.localStorage.setItem(LEFT_OUT_KEY, JSON.stringify([...leftOut]));
    } catch {
      // it holds until the page is left
    }
  }

  const drawn = () => all.filter(([kind]) => !leftOut.has(kind));

  function set(events) {
    all = events;
    offerKinds();
    offerLoads();
  }

  function widthOf(text) {
    if (!widths.has(text)) {
      if (widths.size > MOST_WIDTHS) widths.clear();
      canvas.font = `${LABEL_PX}px ${window.getComputedStyle(document.body).fontFamily}`;
      widths.set(text, canvas.measureText(text).width);
    }
    return widths.get(text);
  }

  // The places of a label, as Plotly puts it: a run's within either corner of its ground, whatever
  // the anchor; that of others right of the first of their lines, or left of the last.
  function waysOf(group, text, place, endPlace) {
    const width = widthOf(text);
    const [first, last] = [group[0], group[group.length - 1]];
    const way = (event, textposition, anchor, from) => ({ event, text, textposition, anchor, from, to: from + width });
    if (first[0] === RUN) {
      return [
        way(first, "top left", "left", place(first) + SPAN_PADDING_PX),
        way(first, "top right", "right", endPlace(first) - SPAN_PADDING_PX - width),
      ];
    }
    return [
      way(first, "end", "left", place(first) + LABEL_PADDING_PX),
      way(last, "end", "right", place(last) - LABEL_PADDING_PX - width),
    ];
  }

  const inShort = (text) => text.split(":")[0].replace(/^process \d+ /, "process ");

  // The texts that a label may have for events that stand together, the most telling first: each
  // is of all of them.
  function textsOf(group) {
    const texts = [...new Set(group.map(([, , , text]) => text))];
    if (group.length === 1) return [...new Set([texts[0], inShort(texts[0])])];
    const named = group.every(([kind]) => kind === LISTENER);
    const parts = named ? texts.map((text) => text.match(/^(\S+?)(:? .*)$/)) : [null];
    const changes = new Set(parts.map((part) => part?.[2]));
    const told = [];
    if (texts.length === 1) {
      told.push(`${texts[0]} ${group.length} times`);
    } else if (changes.size === 1 && parts[0]) {
      const [change] = changes;
      if (texts.length <= MOST_NAMED) told.push(parts.map((part) => part[1]).join(", ") + change);
      told.push(`${texts.length} listeners${change}`);
    } else if (texts.length <= MOST_NAMED) {
      told.push(texts.join(", "));
    }
    return [...told, `${group.length} events`];
  }

  // Labels of the events, none over another, none beyond the edges: Plotly cuts what is drawn beside
  // the plot, in `width` pixels. Load runs come first. Others that look like one line, or stand too
  // close for a label each, have one together, as short as it can be at first, so that as many as
  // possible have one.
  function labels(events, place, endPlace, width) {
    const groups = [];
    const isFree = ({ from, to }) =>
      from >= LABEL_PADDING_PX &&
      to <= width - LABEL_PADDING_PX &&
      !groups.some(({ way }) => way && from < way.to + GAP_PX && to > way.from - GAP_PX);
    const waysFor = (group, texts) =>
      texts.flatMap((text) => waysOf(group, text, place, endPlace)).filter(isFree);
    const shortest = (group) => textsOf(group).slice(-1);
    for (const event of events.filter(([kind]) => kind === RUN)) {
      const [way] = waysFor([event], textsOf([event]));
      if (way) groups.push({ members: [event], way });
    }
    const last = (group) => place(group[group.length - 1]);
    const isBeside = (before, at) =>
      at - last(before.members) <= BESIDE_PX ||
      Boolean(before.way && at >= before.way.from - GAP_PX && at <= before.way.to + GAP_PX);

    // Gives both a label, the one before on its other side if need be; or one to all of them.
    function placeBeside(before, members) {
      const kept = before.way;
      before.way = null;
      for (const way of waysFor(before.members, shortest(before.members))) {
        before.way = way;
        const [own] = waysFor(members, shortest(members));
        if (own) return groups.push({ members, way: own });
      }
      before.way = null;
      const all = [...before.members, ...members];
      const [way] = waysFor(all, shortest(all));
      if (way) return Object.assign(before, { members: all, way });
      before.way = kept;
      return groups.push({ members, way: null });
    }

    // A place for a label that has none where a run's label stands: this one goes to the other corner.
    // Where a process started, from when on there are figures, it may be short instead.
    function placeBesideRun(members) {
      const isStart = members.some(([kind]) => kind === LEADER);
      for (const run of groups.slice(0, runs)) {
        const kept = run.way;
        run.way = null;
        for (const way of waysFor(run.members, isStart ? textsOf(run.members) : [kept.text])) {
          run.way = way;
          const [own] = waysFor(members, shortest(members));
          if (own) return own;
          run.way = null;
        }
        run.way = kept;
      }
      return null;
    }

    const clusters = [];
    for (const event of events.filter(([kind]) => kind !== RUN)) {
      const before = clusters[clusters.length - 1];
      if (before && place(event) - last(before) <= NEAR_PX) before.push(event);
      else clusters.push([event]);
    }
    const runs = groups.length;
    for (const members of clusters) {
      const before = groups.length > runs ? groups[groups.length - 1] : null;
      const way = waysFor(members, shortest(members))[0] || placeBesideRun(members);
      if (!way && before && isBeside(before, place(members[0]))) placeBeside(before, members);
      else groups.push({ members, way });
    }
    for (const group of groups) {
      const short = group.way;
      group.way = null;
      group.way = waysFor(group.members, textsOf(group.members))[0] || short;
    }
    return new Map(groups.filter(({ way }) => way).map(({ way }) => [way.event, way]));
  }

  function shapes(layout, clientWidth, [from, to], shown) {
    const { l, r } = layout.margin;
    const width = clientWidth - l - r;
    const start = (event) => Math.max(event[1], from);
    const end = (event) => (event[0] === RUN ? Math.min(event[2] ?? to, to) : start(event));
    const pixel = (second) => ((second - from) / (to - from)) * width;
    const events = drawn();
    const labelled = labels(events, (event) => pixel(start(event)), (event) => pixel(end(event)), width);
    return events.map((event) => {
      const isSpan = event[0] === RUN;
      const label = labelled.get(event);
      return {
        type: isSpan ? "rect" : "line",
        layer: isSpan ? "below" : "above",
        xref: "x",
        yref: "paper",
        x0: shown(start(event) * 1000),
        x1: shown(end(event) * 1000),
        y0: 0,
        y1: 1,
        fillcolor: "rgba(154,91,242,0.12)",
        line: { width: 1, dash: "dot", color: isSpan ? "#9a5bf2" : "#868e96" },
        label: {
          text: label ? label.text : "",
          textposition: label ? label.textposition : isSpan ? "top left" : "end",
          textangle: 0,
          xanchor: label ? label.anchor : "left",
          yanchor: "bottom", // above the graph, where no line strikes it through
          font: { size: LABEL_PX },
          padding: LABEL_PADDING_PX,
        },
      };
    });
  }

  // The texts of the events within NEAR_PX pixels of a moment; a run is told of at its ends.
  function near(second, secondsOfPixel) {
    const reach = NEAR_PX * secondsOfPixel;
    return drawn()
      .filter(([, start, end]) => [start, end].some((at) => at !== null && Math.abs(at - second) <= reach))
      .map(([, , , text]) => text);
  }

  function offerKinds() {
    for (const place of document.querySelectorAll(".event-kinds:empty")) {
      for (const [kind, label] of JSON.parse(place.dataset.kinds)) {
        const box = document.createElement("input");
        box.type = "checkbox";
        box.value = kind;
        box.checked = !leftOut.has(kind);
        const choice = document.createElement("label");
        choice.append(box, label);
        place.append(choice);
      }
      sayHowMany(place);
    }
  }

  // Links to the runs, comparisons, searches and experiments of the span, the newest first.
  function offerLoads() {
    const loads = all.filter(([, , , , address]) => address).reverse();
    const key = JSON.stringify(loads.map(([, , , text]) => text));
    for (const place of document.querySelectorAll(".event-loads")) {
      if (place.dataset.loads === key) continue; // a link that has the focus keeps it
      place.dataset.loads = key;
      place.replaceChildren(...(loads.length ? ["Load in this span:", ...loads.map(linkTo)] : []));
    }
  }

  function linkTo([, , , text, address]) {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = text;
    link.dataset.view = ""; // live_view.js follows it within the document
    return link;
  }

  function sayHowMany(place) {
    const boxes = [...place.querySelectorAll("input")];
    const checked = boxes.filter((box) => box.checked).length;
    const summary = place.closest(".event-filter").querySelector("summary");
    if (checked === boxes.length) delete summary.dataset.drawn;
    else summary.dataset.drawn = `${checked} of ${boxes.length} kinds`;
  }

  document.addEventListener("change", (event) => {
    const place = event.target instanceof Element && event.target.closest(".event-kinds");
    if (!place) return;
    leftOut = new Set([...leftOut].filter((kind) => kind !== event.target.value));
    if (!event.target.checked) leftOut.add(event.target.value);
    remember();
    sayHowMany(place);
    scope.graphs.markAll();
  });

  // An open choice closes like any menu.
  document.addEventListener("pointerdown", (event) => close((open) => !open.contains(event.target)));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close((open) => open.querySelector("summary").focus() || true);
  });

  function close(isMeant) {
    for (const open of document.querySelectorAll(".event-filter[open]")) {
      if (isMeant(open)) open.open = false;
    }
  }

  scope.events = { set, shapes, near };
})();
