// Takes the answer of a poll apart: figures and points, tables, cards; and tells when none comes.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const INTERVAL_MS = 1000;
  const HIDDEN_INTERVAL_MS = 3600000;
  const GONE_AFTER_MS = 5000;
  const STALE_AFTER_S = 5;
  const RELOAD_AFTER_MS = 10000;
  const RELOADED_KEY = "servescope-reloaded";
  const RETRY_MS = 3000;
  const config = document.getElementById("_dash-config"); // Dash writes it into the document
  const PREFIX = JSON.parse(config.textContent).requests_pathname_prefix;

  const lastProps = new Map();
  const early = new Map(); // what came for components that are not there yet
  const feeds = new Map();
  let lastAnswer = performance.now();
  let lastTry = 0;
  let newest = { second: undefined, lag: 0, at: 0 };
  let delay = 0; // how late the store shows a second, by its own word

  // A table is there once its code has been loaded; its rows are sent again only when they change.
  function setProps(all) {
    for (const [id, props] of Object.entries({ ...Object.fromEntries(early), ...all })) {
      if (!document.getElementById(id)) {
        early.set(id, props);
        continue;
      }
      early.delete(id);
      const known = lastProps.get(id) || {};
      const changed = {};
      for (const [name, value] of Object.entries(props)) {
        const text = JSON.stringify(value);
        if (known[name] === text) continue;
        known[name] = text;
        changed[name] = value;
      }
      lastProps.set(id, known);
      if (Object.keys(changed).length) clientside.set_props(id, changed);
    }
  }

  function setFeeds(all) {
    for (const [id, feed] of Object.entries(all || {})) {
      const before = feed.whole ? [] : feeds.get(id) || [];
      const rows = [...feed.rows, ...before].slice(0, feed.keep);
      feeds.set(id, rows);
      clientside.set_props(id, { rowData: rows });
    }
  }

  function setGraphs(all) {
    for (const [id, entry] of Object.entries(all)) {
      if (entry.figure) scope.graphs.setFigure(id, entry.figure);
      else scope.graphs.append(id, entry);
      scope.graphs.setLegend(id, entry.legend);
    }
  }

  function keepTime(answer) {
    lastAnswer = performance.now();
    delay = answer.delay || 0;
    if (answer.newest === newest.second) return;
    newest = {
      second: answer.newest,
      lag: answer.newest === null ? 0 : Math.max(0, answer.now - answer.newest - 1),
      at: lastAnswer,
    };
  }

  // The clock stands still while a poll runs, and Dash leaves it so when the poll got no answer.
  function askAgain() {
    const now = performance.now();
    if (now - lastTry < RETRY_MS) return;
    lastTry = now;
    clientside.set_props("tick", { disabled: false, interval: INTERVAL_MS });
  }

  // No answers from a server that is there: this page is from before an update. Load it anew, but
  // not again and again.
  async function reloadIfOutdated(silentMs) {
    if (silentMs < RELOAD_AFTER_MS) return;
    const before = Number(window.sessionStorage.getItem(RELOADED_KEY) || 0);
    if (Date.now() - before < 6 * RELOAD_AFTER_MS) return;
    try {
      if (!(await fetch(`${PREFIX}health`, { cache: "no-store" })).ok) return;
    } catch {
      return; // not there: the banner says so, and it is asked again
    }
    window.sessionStorage.setItem(RELOADED_KEY, String(Date.now()));
    window.location.reload();
  }

  function tellAge() {
    const root = document.documentElement;
    const isLivePage = Boolean(document.querySelector(".live-page"));
    const silentMs = performance.now() - lastAnswer;
    const isGone = isLivePage && !document.hidden && silentMs > GONE_AFTER_MS;
    root.classList.toggle("server-gone", isGone);
    if (isGone) {
      askAgain();
      reloadIfOutdated(silentMs);
    }
    const shown = document.getElementById("data-age");
    if (shown && !isLivePage) shown.textContent = ""; // nothing is asked for here, so nothing ages
    if (!shown || !isLivePage || newest.second === undefined) return;
    root.classList.toggle("data-none", newest.second === null);
    if (newest.second === null) {
      shown.textContent = "no data yet";
      root.classList.remove("data-stale");
      return;
    }
    const age = newest.lag + (performance.now() - newest.at) / 1000;
    const isStale = age > STALE_AFTER_S + delay;
    root.classList.toggle("data-stale", isStale && silentMs <= GONE_AFTER_MS && isLivePage);
    shown.textContent = isStale ? `data ${Math.round(age)} s old` : "data current";
    const told = document.getElementById("stale-age");
    if (told) told.textContent = `${Math.round(age)} s`;
  }

  window.setInterval(tellAge, INTERVAL_MS);

  // A hidden tab does not poll; back in sight it catches up from its cursor.
  document.addEventListener("visibilitychange", () => {
    lastAnswer = performance.now();
    const interval = document.hidden ? HIDDEN_INTERVAL_MS : INTERVAL_MS;
    if (document.getElementById("time-bar")) clientside.set_props("tick", { interval });
  });

  clientside.live = {
    draw(sealed) {
      if (!sealed) return clientside.no_update;
      const answer = { ...JSON.parse(sealed.text), now: sealed.now };
      keepTime(answer);
      if (Object.values(answer.graphs).some((entry) => entry.figure)) lastProps.clear();
      setProps(answer.props);
      if (answer.newest === null) return clientside.no_update;
      setGraphs(answer.graphs);
      scope.graphs.setFrame(answer.span, answer.events);
      scope.view.setSpan(answer.span);
      setFeeds(answer.feeds);
      return { view: answer.view, shape: answer.shape, cursor: answer.cursor };
    },
  };
})();
