// Takes the answer of a poll apart: figures and points, tables, cards; and says how current the
// page is.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const INTERVAL_MS = 1000;
  const HIDDEN_INTERVAL_MS = 3600000;
  const GONE_AFTER_S = 5;
  const STALE_AFTER_S = 5;
  const RELOAD_AFTER_S = 10;
  const RELOAD_PAUSE_MS = 60000;
  const GATEWAY_ERRORS = [502, 504]; // a proxy's, for want of the server behind it
  const ACTS = "fieldset.acts"; // see components/action_bar.py
  const RELOADED_KEY = "servescope-reloaded";
  const RETRY_MS = 3000;

  const lastProps = new Map(); // by component and name, as text
  const shownTrees = new WeakMap(); // by element, as text
  const early = new Map(); // what came for components that are not there yet

  let page = null; // the live page that asks
  let silentS = 0; // for how long it has run without an answer: neither hidden nor still loading
  let silentSince = Date.now(); // the last answer, or the first question
  let lastTry = 0;
  let isLost = false; // on a page that does not poll: a click found nobody
  let newest = { second: undefined, lag: 0, at: 0 }; // null before the first second of data
  let delay = 0; // how late the store shows a second, by its own word
  let isOver = false; // the page shows a span of its own, which has ended

  // A table is there once its code has been loaded; its rows are sent again only when they change.
  // A component is not told what it says already: a select that is given its options once more
  // forgets the one that was chosen just now, of which it tells Dash by a timer.
  function setProps(all) {
    for (const [id, props] of Object.entries({ ...Object.fromEntries(early), ...all })) {
      const element = document.getElementById(id);
      if (!element) {
        early.set(id, props);
        continue;
      }
      early.delete(id);
      const { tree, ...told } = props;
      const known = lastProps.get(id) || {};
      const said = window.dash_component_api.getLayout(id)?.props || {};
      const changed = {};
      for (const [name, value] of Object.entries(told)) {
        const text = JSON.stringify(value);
        if (known[name] === text) continue;
        known[name] = text;
        if (JSON.stringify(said[name]) !== text) changed[name] = value;
      }
      lastProps.set(id, known);
      // Many small parts come as plain data: React would take seconds over them.
      if (tree) showTree(element, tree);
      if (Object.keys(changed).length) clientside.set_props(id, changed);
    }
  }

  function showTree(element, tree) {
    const text = JSON.stringify(tree);
    if (shownTrees.get(element) === text) return;
    shownTrees.set(element, text);
    scope.plainHtml.show(element, tree);
  }

  function setGraphs(all) {
    for (const [id, entry] of Object.entries(all)) {
      if (entry.figure) scope.graphs.setFigure(id, entry.figure, entry.earlier);
      else scope.graphs.append(id, entry);
      if (entry.legend) scope.graphs.setLegend(id, entry.legend, entry.of);
    }
  }

  function keepTime(answer) {
    beginSilence();
    delay = answer.delay || 0;
    if (answer.newest === newest.second) return;
    if (answer.newest === null && !answer.blank && newest.second) return; // what is shown ages
    newest = {
      second: answer.newest,
      lag: answer.newest === null ? 0 : Math.max(0, answer.now - answer.newest - 1),
      at: performance.now(),
    };
  }

  // The clock stands still while a poll runs, and Dash leaves it so when the poll got no answer.
  function askAgain() {
    const now = performance.now();
    if (now - lastTry < RETRY_MS) return;
    lastTry = now;
    clientside.set_props("tick", { disabled: false, interval: INTERVAL_MS });
  }

  // The answer of the server about itself; null when nobody answers.
  async function health() {
    try {
      const answer = await fetch(`${scope.view.prefix}health`, { cache: "no-store" });
      return GATEWAY_ERRORS.includes(answer.status) ? null : answer;
    } catch {
      return null;
    }
  }

  // No answers from a server that is there: this page is from before an update. Load it anew, but
  // not again and again.
  async function reloadIfOutdated() {
    if (silentS < RELOAD_AFTER_S) return;
    const before = Number(window.sessionStorage.getItem(RELOADED_KEY) || 0);
    if (Date.now() - before < RELOAD_PAUSE_MS) return;
    if (!(await health())?.ok) return; // not there: the banner says so, and it is asked again
    window.sessionStorage.setItem(RELOADED_KEY, String(Date.now()));
    window.location.reload();
  }

  function beginSilence() {
    silentS = 0;
    silentSince = Date.now();
  }

  // Counted in seconds in which this page ran: scripts that load slowly, a tab in the background
  // and a laptop that sleeps are no server that does not answer.
  function countSilence() {
    const before = page;
    page = document.querySelector(".live-page");
    if (page !== before) isOver = false;
    if (page === before && page && scope.view.isChosen() && !document.hidden) silentS += 1;
    else if (!isLost) beginSilence();
  }

  // The page's reservation while it is not current: since when it knows nothing, and of when the
  // figures are that it still shows. Empty while it is.
  function reservation(state) {
    if (state !== "gone" && state !== "late") return { unknown: "", asOf: "" };
    const shown = newest.second ? scope.clock.time(newest.second) : "";
    const since = state === "gone" ? scope.clock.time(silentSince / 1000) : shown;
    const cause = state === "gone" ? "no connection" : "no data";
    const rest = shown ? ` All that stands here is as of ${shown}.` : "";
    return { unknown: `Unknown: ${cause} since ${since}.${rest}`, asOf: shown && `as of ${shown}` };
  }

  const isLive = () => document.documentElement.dataset.view !== "fixed" && !isOver;

  // A page of one record is as of then; empty on any other.
  function recordText() {
    const at = Number(document.querySelector("[data-record-of]")?.dataset.recordOf);
    return at ? `recorded ${scope.clock.momentText(at)}` : "";
  }

  // How current the page is: `state` for the style sheet, `text` for the header.
  function standing() {
    if (!page) return { state: "none", text: recordText() }; // nothing is asked for here, nor ages
    if (silentS > GONE_AFTER_S) return { state: "gone", text: "no connection" };
    if (newest.second === undefined) return { state: "waiting", text: "connecting" };
    if (newest.second === null) return { state: "empty", text: "no data" };
    const age = newest.lag + (performance.now() - newest.at) / 1000;
    if (age > STALE_AFTER_S + delay) return { state: "late", text: `late by ${Math.round(age)} s` };
    if (isLive()) return { state: "live", text: "live" };
    return scope.view.isPaused() ? { state: "paused", text: "live, paused" } : { state: "past", text: "past" };
  }

  function sayStanding({ state, text }) {
    document.documentElement.dataset.standing = state;
    setText("#standing", text);
  }

  function showStanding() {
    countSilence();
    const found = standing();
    const { state } = found;
    const { unknown, asOf } = reservation(state);
    const ages = Boolean(unknown) && isLive(); // a span of the past stays what it was
    sayStanding(found);
    document.documentElement.classList.toggle("not-current", ages);
    setText(".unknown-now", ages ? unknown : "");
    setText(".as-of", ages ? asOf : "");
    setText(".now-mark", asOf || "now");
    if (page) allowActs(state !== "gone");
    else if (isLost) lookForServer();
    if (state === "gone") {
      askAgain();
      reloadIfOutdated();
    }
  }

  function setText(selector, text) {
    for (const shown of document.querySelectorAll(selector)) {
      if (shown.textContent !== text) shown.textContent = text;
    }
  }

  function allowActs(isAllowed) {
    for (const acts of document.querySelectorAll(ACTS)) acts.disabled = !isAllowed;
    const since = scope.clock.time(silentSince / 1000);
    setText(
      ".no-action-now",
      isAllowed ? "" : `Nothing can be started, stopped or changed: no connection since ${since}.`,
    );
  }

  async function lookForServer() {
    isLost = !(await health()) && !page;
    allowActs(!isLost);
  }

  window.setInterval(showStanding, INTERVAL_MS);
  // A view that was paused, or goes on, is said so at once.
  document.addEventListener("servescope:view", () => sayStanding(standing()));

  // A callback that gets no answer says nothing: a click finds out whether there is a connection,
  // before the polls do.
  document.addEventListener(
    "click",
    async (event) => {
      if (!(event.target instanceof Element) || !event.target.closest(`${ACTS} button`)) return;
      if (!page) lookForServer();
      else if (!(await health())) {
        silentS = GONE_AFTER_S;
        showStanding();
      }
    },
    true,
  );

  // A hidden tab does not poll; back in sight it catches up from its cursor.
  document.addEventListener("visibilitychange", () => {
    beginSilence();
    const interval = document.hidden ? HIDDEN_INTERVAL_MS : INTERVAL_MS;
    if (document.getElementById("time-bar")) clientside.set_props("tick", { interval });
  });

  // Show the figures of an answer; what comes of it is the page's cursor.
  function show(answer) {
    if (answer.blank) {
      scope.graphs.blank();
      return null; // the next figures come whole
    }
    if (answer.newest === null) return clientside.no_update;
    setGraphs(answer.graphs);
    scope.graphs.setFrame(answer);
    isOver = !answer.live && answer.span[1] <= answer.newest;
    const { bounds, begins, compared, run, counted } = answer;
    scope.view.setSpan(answer.span, { bounds, begins, compared, run, counted });
    return { view: answer.view, shape: answer.shape, cursor: answer.cursor };
  }

  // Show the answer that came with the document, whose layout has most of its properties.
  function showFirst(answer) {
    keepTime(answer);
    const cursor = show(answer);
    scope.graphs.drawFirst();
    if (cursor && cursor !== clientside.no_update) {
      clientside.set_props(`${answer.page}-cursor`, { data: cursor });
    }
    setProps(answer.props);
  }

  scope.answers = { showFirst };

  clientside.live = {
    draw(sealed) {
      if (!sealed) return clientside.no_update;
      const answer = { ...JSON.parse(sealed.text), now: sealed.now };
      keepTime(answer);
      if (Object.values(answer.graphs).some((entry) => entry.figure)) lastProps.clear();
      setProps(answer.props);
      return show(answer);
    },
  };
})();
