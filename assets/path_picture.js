// The moment that the picture of a request's path shows: now, a whole span that stands still, or a
// part of it that a person chooses with a slider, by pointer, by touch or by the arrow keys.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const PARTS = 60; // positions 0 .. PARTS - 1 are parts of the span; PARTS is now, or all of it
  const SHORTEST_S = 5; // as the live picture
  const ASK_MS = 120;

  let slider = null;
  let said = null;
  let moment = ""; // id of the store that the picture follows
  let view = null;
  let asked = "";
  let seen = ""; // the whole span, as it was shown last
  let nextAsk = 0;

  const isLive = () => !view || !view.from || view.to === "now";

  // The span that the page shows, which begins where the data begins.
  const whole = () => scope.view.fixedSpan() || [view.from, view.to];

  // The part of the span at a position, in whole seconds; null for now.
  function chosen(position) {
    if (isLive()) return null;
    const [begin, end] = whole();
    const length = end - begin;
    if (position >= PARTS || length <= SHORTEST_S) return { from: begin, to: end };
    const part = Math.max(SHORTEST_S, Math.round(length / PARTS));
    const from = begin + Math.round(((length - part) * position) / (PARTS - 1));
    return { from, to: from + part };
  }

  function text(part, position) {
    if (!part) return "the last 5 s";
    const times = scope.units.spanText([part.from, part.to]);
    return position >= PARTS ? `all of ${times}` : times;
  }

  function keepInUrl(part, position) {
    const query = new URLSearchParams(window.location.search);
    if (part && position < PARTS) query.set("at", part.from);
    else query.delete("at");
    scope.view.replaceUrl(query);
  }

  function positionFromUrl() {
    const at = Number(new URLSearchParams(window.location.search).get("at"));
    return isLive() ? PARTS : positionOf(at, whole());
  }

  function positionOf(at, [begin, end]) {
    if (!(at >= begin && at < end)) return PARTS;
    const length = end - begin;
    const part = Math.max(SHORTEST_S, Math.round(length / PARTS));
    if (length <= part) return PARTS;
    return Math.min(Math.round(((at - begin) * (PARTS - 1)) / (length - part)), PARTS - 1);
  }

  function show() {
    const position = Number(slider.value);
    const part = chosen(position);
    said.textContent = text(part, position);
    slider.setAttribute("aria-valuetext", said.textContent);
    keepInUrl(part, position);
    return part;
  }

  // A drag moves faster than answers come: the last position is asked for, some on the way.
  function ask(part) {
    asked = JSON.stringify(part);
    window.clearTimeout(nextAsk);
    nextAsk = window.setTimeout(() => clientside.set_props(moment, { data: JSON.parse(asked) }), ASK_MS);
  }

  // To look back is to stop: else the span would run away under the slider.
  function onInput() {
    if (isLive() && scope.view.span()) {
      scope.view.hold();
      const [from, to] = scope.view.fixedSpan();
      view = { ...view, from, to };
    }
    ask(show());
  }

  function build(place) {
    slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: 0, max: PARTS, value: PARTS });
    slider.setAttribute("aria-label", "Moment of the path");
    slider.addEventListener("input", onInput);
    said = document.createElement("output");
    place.replaceChildren(slider, said);
  }

  // The answer of the server says where the span begins: the position stays at its moment.
  document.addEventListener("servescope:span", () => {
    if (!slider?.isConnected || isLive() || !scope.view.fixedSpan()) return;
    const shown = JSON.stringify(whole());
    if (shown === seen) return;
    seen = shown;
    slider.value = positionFromUrl();
    ask(show());
  });

  clientside.path = {
    follow(newView, place, store) {
      moment = store;
      const isNew = !slider || !slider.isConnected;
      if (isNew) build(document.getElementById(place));
      const key = (one) => (one && one.from ? `${one.from}-${one.to}` : "");
      const hasMoved = key(view) !== key(newView);
      view = newView;
      if (isNew) slider.value = positionFromUrl();
      else if (hasMoved) slider.value = PARTS;
      seen = isLive() ? "" : JSON.stringify(whole());
      return show();
    },
  };
})();
