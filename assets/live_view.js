// The view: a live range or a fixed span, one for all that a page shows, kept in the URL's query.
// Each step a person makes is a history entry. Dash hears of none of them: its router would build
// the page anew.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const clock = scope.clock;
  const DEFAULT_LAST = "5m";
  const LAST_WRITTEN = /^\d{1,9}[smhdwy]$/;
  const COMPARISONS = ["before", "yesterday"];
  const NOTHING = " "; // a choice needs a value: this host, no comparison
  const SHORTEST_S = 5;
  const MINUTE_S = 60;
  const HOUR_S = 3600;
  const DAY_S = 86400;
  const LONGEST_S = 3652 * DAY_S;
  const TYPING = "input, textarea, select, [contenteditable], button, a, [role=radio], " +
    "[role=grid], [role=treegrid], [role=dialog], [role=menu]"; // there a space does something else
  const phone = window.matchMedia("(max-width: 48em)");
  const config = document.getElementById("_dash-config"); // Dash writes it into the document
  const prefix = JSON.parse(config.textContent).requests_pathname_prefix;
  const NAMES = ["last", "from", "to", "host", "compare"];

  // As in the store `view`: {last, host, compare, from, to}. A fixed span has two epoch seconds; a
  // live view that keeps its beginning has `to` "now" and `from` a second or "start".
  let view = null;
  let isBegun = false; // the shell is there, and polls are asked
  let isPaused = false; // a fixed span that a pause made, and no zoom
  let jumped = false;
  let judged = ""; // the two texts of the span's form that were last sent
  let span = null; // what is shown, epoch seconds
  let isAnswered = false; // `span` is of the present view
  let facts = { bounds: null, begins: null, compared: 0, run: null, counted: null };
  let shownPath = window.location.pathname;
  let filterIds = [];

  const isLive = () => !view || !view.from || view.to === "now";
  const onLivePage = () => Boolean(document.querySelector(".live-page"));
  const now = () => (facts.bounds ? facts.bounds[1] : Math.floor(Date.now() / 1000));

  function fromUrl() {
    const query = new URLSearchParams(window.location.search);
    const last = query.get("last");
    const read = { last: LAST_WRITTEN.test(last) ? last : DEFAULT_LAST, host: query.get("host") || "" };
    if (COMPARISONS.includes(query.get("compare"))) read.compare = query.get("compare");
    return Object.assign(read, spanOf(query.get("from"), query.get("to")));
  }

  // The span that an address names, as a person may write it by hand or as Grafana does: now-1h, epoch
  // milliseconds. A live one that is so long is its range.
  function spanOf(fromText, toText) {
    const [from, to] = [secondOf(fromText), secondOf(toText || "now", true)];
    if (from === null || to === null) return {};
    if (to === "now" && from.ago) return { last: clock.lengthKey(from.ago) };
    const start = from.ago ? now() - from.ago : from;
    const end = to.ago ? now() - to.ago : to;
    if (start === "now" || end === "start" || (end !== "now" && !(start > 0 && end > start))) return {};
    return { from: start, to: end };
  }

  // Epoch seconds, "start", "now" or {ago}; null for no time. (Seconds of any size, as they always were.)
  function secondOf(text, isEnd = false) {
    if (/^\d{1,10}(\.\d+)?$/.test(text)) return Number(text) || null;
    const found = clock.parse(text || "", now(), isEnd);
    if (!found || found.start) return found && "start";
    return found.at ?? (found.ago ? found : "now");
  }

  function viewQuery(of) {
    const query = new URLSearchParams();
    if (of.last !== DEFAULT_LAST) query.set("last", of.last);
    if (of.host) query.set("host", of.host);
    if (of.compare) query.set("compare", of.compare);
    if (of.from) {
      query.set("from", of.from);
      query.set("to", of.to);
    }
    return query;
  }

  function writeUrl(isStep) {
    if (!view || !onLivePage()) return;
    const query = new URLSearchParams(window.location.search);
    for (const name of NAMES) query.delete(name);
    for (const [name, value] of viewQuery(view)) query.set(name, value);
    putUrl(query, isStep);
  }

  function putUrl(query, isStep) {
    const text = query.toString();
    const url = window.location.pathname + (text ? `?${text}` : "") + window.location.hash;
    const state = { ...window.history.state, isPaused };
    if (url === window.location.pathname + window.location.search + window.location.hash) return;
    if (isStep) window.history.pushState(state, "", url);
    else window.history.replaceState(state, "", url);
  }

  function dress(isStep) {
    document.documentElement.dataset.view = isLive() ? "live" : "fixed";
    clientside.set_props("range", { value: view.from ? "" : view.last });
    clientside.set_props("pause", {
      children: isLive() ? "Pause" : "Back to live",
      variant: isLive() ? "default" : "filled",
    });
    clientside.set_props("time-forward", { disabled: isLive() });
    clientside.set_props("host", { value: view.host || NOTHING });
    clientside.set_props("time-compare", { value: view.compare || NOTHING });
    if (!view.from) showRange();
    writeUrl(isStep);
    document.dispatchEvent(new CustomEvent("servescope:view"));
  }

  // On a phone the ranges scroll sideways: the chosen one shall be in sight.
  function showRange() {
    const ranges = document.getElementById("ranges");
    const chosen = ranges?.querySelector(`input[value="${view.last}"] + label`);
    if (!chosen) return;
    const [inner, outer] = [chosen.getBoundingClientRect(), ranges.getBoundingClientRect()];
    ranges.scrollLeft += inner.left + inner.width / 2 - (outer.left + outer.width / 2);
    showMore(ranges);
  }

  // Which edges of the ranges hide others: the style sheet lets these fade.
  function showMore(ranges) {
    if (!ranges) return;
    const behind = ranges.scrollWidth - ranges.clientWidth - ranges.scrollLeft;
    const more = [ranges.scrollLeft > 1 ? "before" : "", behind > 1 ? "behind" : ""];
    ranges.dataset.more = more.filter(Boolean).join(" ");
  }

  // Show another span; host and comparison stay.
  function set(changed, { isStep = true, paused = false } = {}) {
    const { last, host, compare } = view || { last: DEFAULT_LAST, host: "" };
    view = { last, host, ...(compare ? { compare } : {}), ...changed };
    if (!view.compare) delete view.compare;
    isPaused = paused;
    isAnswered = false;
    clientside.set_props("view", { data: view });
    clientside.set_props("time-said", { children: "" });
    dress(isStep);
  }

  // Take the view with which the page begins; false where it is not the address's.
  function begin(first) {
    if (JSON.stringify(first) !== JSON.stringify(fromUrl())) return false;
    view = first;
    isPaused = Boolean(window.history.state?.isPaused);
    document.documentElement.dataset.view = isLive() ? "live" : "fixed";
    return true;
  }

  const host = () => (view ? view.host : "");
  const goLive = () => set({});
  const fix = (from, to) => set({ from, to });

  function toggle() {
    if (!view) return;
    if (!isLive()) goLive();
    else hold({ paused: true });
  }

  // Keep what is shown. The axis of a live view may begin before there is any data: a view that
  // stands still begins with it.
  function hold({ paused = false } = {}) {
    if (!span) return;
    const begin = Math.max(span[0], facts.bounds?.[0] ?? 0);
    set({ from: Math.min(begin, span[1] - 1), to: span[1] }, { paused });
  }

  // The span of a fixed view: as it was answered, and until then as it was asked for.
  const fixedSpan = () => (isLive() ? null : isAnswered ? span : [view.from, view.to]);

  const sinceSecond = (from) => (from === "start" ? facts.bounds?.[0] ?? now() - 60 : from);

  // Where the view begins and ends as a person asked for it, in epoch seconds.
  function asked() {
    if (!isLive()) return [view.from, view.to];
    const end = span ? span[1] : now();
    return [view.from ? sinceSecond(view.from) : end - clock.lengthOf(view.last), end];
  }

  function goBack() {
    const [from, to] = asked();
    if (facts.bounds && from <= facts.bounds[0]) return nothingBefore();
    set({ from: from - (to - from), to: from });
    return "";
  }

  function goForward() {
    const [from, to] = asked();
    const length = to - from;
    if (isLive()) return "";
    if (isPaused) goLive();
    else if (to + length > now()) showLast(length);
    else set({ from: to, to: to + length });
    return "";
  }

  // A live view of twice the length, or a span with as much again on both sides.
  function zoomOut() {
    const [from, to] = asked();
    const length = to - from;
    if (facts.bounds && from <= facts.bounds[0] && (isLive() || to >= now())) return nothingBefore();
    if (isLive()) {
      showLast(Math.min(2 * length, LONGEST_S));
      return "";
    }
    const end = Math.min(to + Math.ceil(length / 2), now());
    set({ from: Math.max(end - 2 * length, 1), to: end });
    return "";
  }

  const showLast = (seconds) => set({ last: clock.lengthKey(seconds), from: undefined, to: undefined });

  const nothingBefore = () =>
    `The data begins at ${momentText(facts.bounds[0])}: there is nothing before.`;

  function showAll() {
    set({ from: "start", to: "now" });
    return "";
  }

  function showRun() {
    if (!facts.run) return ["No load run has begun yet: start one on the page ", linkTo("Load", "load"), "."];
    const [start, end] = facts.run;
    const from = Math.floor(start);
    if (end === null) set({ from, to: "now" });
    else set({ from, to: Math.max(Math.ceil(end), from + SHORTEST_S) });
    return "";
  }

  const linkTo = (children, path) =>
    ({ namespace: "dash_core_components", type: "Link", props: { children, href: prefix + path } });

  // Show what the form says; the answer is why not.
  function showWritten(fromText, toText) {
    const from = clock.parse(fromText || "", now());
    const to = clock.parse(toText || "now", now(), true);
    if (!fromText?.trim()) return "Write a time into From, such as now-15m.";
    if (!from) return noTime(fromText);
    if (!to || to.start) return noTime(toText);
    if (to.ago === 0 && from.start) return showAll();
    if (to.ago === 0 && from.ago !== undefined) return showWrittenLast(from.ago);
    const start = from.start ? facts.bounds?.[0] : from.at ?? now() - from.ago;
    const end = to.at ?? now() - to.ago;
    if (start === undefined) return "Nothing has been recorded yet.";
    if (start >= end) return `From is not before To: ${momentText(start)} – ${momentText(end)}.`;
    if (start >= now()) return `The span begins in the future: it is ${momentText(now())} now.`;
    if (facts.bounds && end <= facts.bounds[0]) {
      return `Nothing was recorded before ${momentText(facts.bounds[0])}: the span ends before that.`;
    }
    if (end - start < SHORTEST_S) return `A span has ${SHORTEST_S} seconds at least.`;
    if (end >= now()) set({ from: start, to: "now" }); // the rest of today is still to come
    else set({ from: Math.max(start, 1), to: end });
    return "";
  }

  const noTime = (text) =>
    `“${text}” is no time: write 14:03, 2026-11-28 14:03:10, now-15m, now/d, today or now.`;

  function showWrittenLast(seconds) {
    if (seconds < SHORTEST_S) return `A span has ${SHORTEST_S} seconds at least.`;
    if (seconds > LONGEST_S) return "A span has ten years at most.";
    showLast(seconds);
    return "";
  }

  const isToday = (second) => clock.date(second) === clock.date(now());
  const momentText = (second) => clock.momentText(second, now());

  // Whether two times of the clock say it: that it began the day before is seen where it ends
  // earlier on the clock.
  const isToldByClock = ([from, to]) =>
    (isToday(to) || now() - to < HOUR_S) && to - from < DAY_S;

  const shortText = ([from, to]) =>
    `${clock.time(from)}–${clock.time(to)} (${clock.lengthText(to - from)})`;

  // Whether a live view has less than was asked for: beginText says how much, which is its length.
  const isRecordedInPart = () => Boolean(facts.begins) && isLive() && !view.from;

  function spanText([from, to]) {
    if (phone.matches && isToldByClock([from, to])) {
      return isRecordedInPart() ? `${clock.time(from)}–${clock.time(to)}` : shortText([from, to]);
    }
    return isRecordedInPart() ? datedText([from, to]) : fullSpanText([from, to]);
  }

  function datedText([from, to]) {
    const begin = clock.date(from) === clock.date(to) ? "" : `${clock.date(from)} `;
    return `${begin}${clock.time(from)} – ${clock.time(to)}, ${clock.date(to)} ${clock.zoneName}`;
  }

  // As it is understood without the page: with day, zone and length.
  const fullSpanText = ([from, to]) =>
    `${datedText([from, to])} (${clock.lengthText(to - from)})`;

  function bannerText() {
    const [from, to] = span;
    const shown = isToldByClock(span) ? shortText(span) : spanText(span);
    const said = phone.matches
      ? `${isPaused ? "Paused" : "Past"}: ${shown}.`
      : isPaused
        ? `Paused at ${momentText(to)}: you see ${shown}.`
        : `In the past: you see ${shown}.`;
    if (isBeforeData()) {
      return `${said} Nothing was recorded before ${momentText(facts.bounds[0])}.`;
    }
    if (facts.counted === null) return `${said} Nothing was recorded in it.`;
    return said + beginText(" ") + comparedText(" ");
  }

  const isBeforeData = () => Boolean(span && facts.bounds && span[1] <= facts.bounds[0]);

  // Why there is less than was asked for.
  function beginText(before) {
    if (!facts.begins) return "";
    const said = `${before}The data begins at ${momentText(facts.begins)}`;
    if (!isRecordedInPart()) return `${said}.`;
    const length = (seconds) => clock.lengthText(seconds, Math.floor, MINUTE_S);
    const there = facts.bounds[1] - facts.begins;
    const [drawn, asked] = [span[1] - span[0], clock.lengthOf(view.last)];
    const isShort = there < MINUTE_S && there < drawn && drawn < asked && !phone.matches; // two rows there
    const why = isShort ? ` Graphs show ${length(drawn)} at least.` : "";
    return `${said}: ${length(there)} of ${length(asked)} so far.${why}`;
  }

  function comparedText(before) {
    if (!facts.compared) return "";
    const isRecorded = !facts.bounds || span[1] - facts.compared > facts.bounds[0];
    const missing = isRecorded ? "" : ", of which nothing was recorded";
    return `${before}Dashed lines: ${comparedSpan()}${missing}.`;
  }

  // The earlier span whose lines are drawn dashed.
  const comparedSpan = () =>
    view?.compare === "yesterday" ? "the day before" : `the ${clock.lengthText(facts.compared)} before`;

  // Take over the last answer's span, and its facts of that and of all data.
  function setSpan(newSpan, newFacts = {}) {
    span = newSpan;
    isAnswered = true;
    facts = { ...facts, ...newFacts };
    setText("span-text", isLive() ? `${spanText(span)}${beginText(". ")}${comparedText(facts.begins ? " " : ". ")}` : "");
    setText("view-text", isLive() ? "" : bannerText());
    showRequestsLink();
    showMore(document.querySelector("#ranges:not([data-more])"));
    writeUrl(false);
    document.dispatchEvent(new CustomEvent("servescope:span"));
  }

  function setText(id, text) {
    const shown = document.getElementById(id);
    if (shown && shown.textContent !== text) shown.textContent = text;
  }

  function showRequestsLink() {
    const link = document.getElementById("view-requests");
    if (!link || !view) return;
    const listener = new URLSearchParams(window.location.search).get("listener");
    link.hidden = isLive() || facts.counted === null || isBeforeData(); // none would be a claim
    const told = `${(facts.counted || 0).toLocaleString()} ${facts.counted === 1 ? "request" : "requests"}`;
    setText("view-requests", phone.matches ? told : `${told} in this span`); // in one line there
    link.href = requestsUrl(view, listener ? { listener } : {});
  }

  // The request log of a view, narrowed.
  function requestsUrl(of, narrowed) {
    const query = viewQuery(of);
    for (const [name, value] of Object.entries(narrowed)) query.set(name, value);
    return `${prefix}requests?${query}#log`;
  }

  // To the requests of a span that took from `slower` to `faster` seconds.
  function showRequests(from, to, narrowed) {
    visit(requestsUrl({ ...view, from, to }, narrowed));
  }

  // Another view at an address of this app, without a load of the document.
  function visit(url, paused = false) {
    const target = new URL(url, window.location.origin);
    const samePage = target.pathname === window.location.pathname;
    window.history.pushState({ isPaused: paused }, "", target);
    if (samePage) setFilters();
    adopt(paused);
    if (samePage) jump();
    else {
      jumped = false;
      window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
      if (!target.hash) window.scrollTo(0, 0); // another page begins at its beginning
    }
  }

  // Narrow the page by names of its filters; a value that is there already is taken back. With
  // `anew` none of the other filters stays.
  function narrow(changes, anew) {
    const present = new URLSearchParams(window.location.search);
    const query = anew ? viewQuery(view) : present;
    if (!("page" in changes)) query.delete("page");
    for (const [name, value] of Object.entries(changes)) {
      const isTakenBack = !anew && name !== "page" && present.get(name) === value;
      if (!value || isTakenBack) query.delete(name);
      else query.set(name, value);
    }
    visit(`${window.location.pathname}?${query}`, isPaused);
  }

  // To what the address names; to a graph with its heading and legend.
  function jump() {
    const named = document.getElementById(window.location.hash.slice(1));
    (named?.closest(".panel") ?? named)?.scrollIntoView();
  }

  // Take the view that the address has.
  function adopt(paused) {
    const read = fromUrl();
    if (JSON.stringify(read) === JSON.stringify(view) && paused === isPaused) return;
    view = {};
    set(read, { isStep: false, paused });
  }

  function setFilters() {
    const query = new URLSearchParams(window.location.search);
    for (const id of filterIds) clientside.set_props(id, { value: query.get(nameOf(id)) || "" });
  }

  const nameOf = (id) => id.slice(id.indexOf("-") + 1);

  // Back and forward. At target, listeners that capture come first: Dash's router is left out while
  // the page stays.
  window.addEventListener(
    "popstate",
    (event) => {
      if (!view) return;
      if (onLivePage() && window.location.pathname === shownPath) {
        event.stopImmediatePropagation();
        setFilters();
      }
      adopt(Boolean(event.state?.isPaused ?? (isPaused && view.from === fromUrl().from)));
    },
    true,
  );

  const showMoreOf = ({ target }) => target.id === "ranges" && showMore(target);
  document.addEventListener("scroll", showMoreOf, { capture: true, passive: true });
  window.addEventListener("resize", () => showMore(document.getElementById("ranges")));

  // A link within the app: to the page at hand without its filters, or to another view.
  window.addEventListener("_dashprivate_pushstate", () => {
    if (window.location.pathname === shownPath) setFilters();
    takeView(new URLSearchParams(window.location.search));
  });

  // Of the view the parts that a link names; the rest stays as it is.
  function takeView(query) {
    if (!view || !NAMES.some((name) => query.has(name))) return;
    const read = fromUrl();
    const { from, to } = query.has("from") ? read : view;
    const changed = { from, to };
    for (const name of ["last", "host", "compare"]) if (query.has(name)) changed[name] = read[name];
    if (Object.entries(changed).every(([name, value]) => view[name] === value)) return;
    set(changed, { isStep: false, paused: isPaused && from === view.from && to === view.to });
  }

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("#view-requests, a[data-view]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const target = new URL(link.href);
    const namesView = NAMES.some((name) => target.searchParams.has(name));
    if (!namesView) for (const [name, value] of viewQuery(view)) target.searchParams.set(name, value);
    visit(target, !namesView && isPaused);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest(TYPING)) return;
    if (!onLivePage()) return;
    event.preventDefault();
    toggle();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    window.setTimeout(closePopovers);
    if (document.documentElement.dataset.navigation !== "open") return;
    clientside.set_props("burger", { opened: false });
    document.getElementById("burger")?.focus();
  });

  // Mantine itself closes a popover only while the focus is within; it has done so by now.
  function closePopovers() {
    for (const button of document.querySelectorAll("button[aria-haspopup=dialog][aria-expanded=true]")) {
      button.click();
      button.focus();
    }
  }

  const STEPS = {
    "time-back": goBack,
    "time-forward": goForward,
    "time-out": zoomOut,
    "time-all": showAll,
    "time-run": showRun,
  };

  function close(said) {
    if (said === "") clientside.set_props("time-popover", { opened: false });
    return said;
  }

  clientside.view = {
    // Once, when the shell is there: the URL says what to show.
    // After that: a range or a host was chosen, or the pause button pressed.
    choose(range, _pause, chosen) {
      const cause = clientside.callback_context.triggered_id;
      if (!isBegun) {
        isBegun = true;
        begin(fromUrl());
        window.setTimeout(() => dress(false), 0); // the components it writes to are mounted by then
        return view;
      }
      if (cause === "pause") toggle();
      else if (cause === "host") {
        const wanted = !chosen || chosen === NOTHING ? "" : chosen;
        if (wanted !== view.host) set({ ...view, host: wanted }, { paused: isPaused });
      } else if (range && (range !== view.last || view.from)) set({ last: range });
      return clientside.no_update;
    },

    // A step, or a whole span by its name; the answer is why not.
    step() {
      const cause = clientside.callback_context.triggered_id;
      if (!view || !STEPS[cause]) return clientside.no_update;
      const said = STEPS[cause]();
      if (cause === "time-all" || cause === "time-run") close("");
      return said;
    },

    // The form was sent, or its text changed, which takes back what was said of it. A component's
    // value follows its field after a while: Enter pressed at once means the text in the field.
    apply() {
      const causes = clientside.callback_context.triggered.map((one) => one.prop_id);
      const texts = ["time-from", "time-to"].map((id) => document.getElementById(id).value);
      if (!view) return "";
      if (causes.every((name) => name.endsWith(".value"))) {
        return texts.join("\n") === judged ? clientside.no_update : "";
      }
      judged = texts.join("\n");
      return close(showWritten(...texts));
    },

    // The form opens with the view as it is.
    opened(isOpen) {
      judged = "";
      if (!isOpen || !view) return [clientside.no_update, clientside.no_update];
      if (!view.from) return [`now-${view.last}`, "now"];
      const [from, to] = [view.from, view.to].map((one) =>
        typeof one === "number" ? clock.written(one) : one,
      );
      return [from, to];
    },

    // A page about something that has a span of its own shows all of it again.
    whole(clicks) {
      if (clicks) goLive();
      return clientside.no_update;
    },

    compare(chosen) {
      const wanted = !chosen || chosen === NOTHING ? undefined : chosen;
      if (view && wanted !== view.compare) set({ ...view, compare: wanted }, { paused: isPaused });
      return clientside.no_update;
    },

    // The address reopens the view with all times in the other zone.
    zone(chosen) {
      if (clientside.callback_context.triggered_id === undefined) return clock.zone;
      if (chosen !== clock.zone && clock.remember(chosen)) window.location.reload();
      return clock.zone;
    },

    // The values that narrow a page stand in the URL too, under the last part of its component's id.
    keep(...values) {
      const query = new URLSearchParams(window.location.search);
      filterIds = clientside.callback_context.inputs_list.map(({ id }) => id);
      filterIds.forEach((id, index) => {
        if (values[index]) query.set(nameOf(id), values[index]);
        else query.delete(nameOf(id));
      });
      putUrl(query, jumped);
      // The part a link names was not there when the browser looked for it.
      if (!jumped) jump();
      jumped = true;
      return clientside.no_update;
    },

    // On a phone the navigation opens by its button and closes with the choice of a page.
    navigation(opened, _pathname, navbar) {
      const open = clientside.callback_context.triggered_id === "burger" ? opened : false;
      if (window.location.pathname !== shownPath) {
        filterIds = [];
        scope.tools.restore(); // the page of a graph that fills it is left
      }
      shownPath = window.location.pathname;
      document.documentElement.dataset.navigation = open ? "open" : "closed";
      document.getElementById("burger")?.setAttribute("aria-expanded", String(Boolean(open)));
      return [{ ...navbar, collapsed: { mobile: !open } }, open];
    },

    // A request that stays chosen when its drawer is closed could not be opened again.
    forget(opened) {
      return opened ? clientside.no_update : null;
    },
  };
  scope.view = {
    prefix,
    begin,
    fix,
    hold,
    goLive,
    zoomOut,
    goBack,
    goForward,
    setSpan,
    jump,
    replaceUrl: (query) => putUrl(query, false),
    showRequests,
    narrow,
    span: () => span,
    spanText: () => (span ? fullSpanText(span) : ""),
    fixedSpan,
    comparedSpan,
    host,
    isChosen: () => isBegun,
    isPaused: () => isPaused,
  };
})();
