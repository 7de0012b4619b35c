// The view: a live range or a fixed span, one for all graphs of a page, kept in the URL's query.
// The URL is replaced, not pushed, and without an event: Dash's router would build the page anew.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const DEFAULT_LAST = "5m";
  const OWN_HOST = " "; // a choice needs a value, and no host has this name
  const TYPING = "input, textarea, select, [contenteditable], button, a, [role=radio], " +
    "[role=grid], [role=treegrid], [role=dialog], [role=menu]"; // there a space does something else

  let view = null; // as in the store `view`
  let jumped = false;
  let span = null; // what the graphs show, epoch seconds

  function fromUrl() {
    const query = new URLSearchParams(window.location.search);
    const read = { last: query.get("last") || DEFAULT_LAST, host: query.get("host") || "" };
    const from = Number(query.get("from"));
    const to = Number(query.get("to"));
    if (from > 0 && to > from) Object.assign(read, { from, to });
    return read;
  }

  function writeUrl() {
    if (!view || !document.querySelector(".live-page")) return;
    const query = new URLSearchParams(window.location.search);
    for (const name of ["last", "from", "to", "host"]) query.delete(name);
    if (view.last !== DEFAULT_LAST) query.set("last", view.last);
    if (view.host) query.set("host", view.host);
    if (view.from) {
      query.set("from", view.from);
      query.set("to", view.to);
    }
    replaceUrl(query);
  }

  function replaceUrl(query) {
    const text = query.toString();
    const url = window.location.pathname + (text ? `?${text}` : "") + window.location.hash;
    if (url !== window.location.pathname + window.location.search + window.location.hash) {
      window.history.replaceState(window.history.state, "", url);
    }
  }

  function dress() {
    const isLive = !view.from;
    document.documentElement.dataset.view = isLive ? "live" : "fixed";
    clientside.set_props("range", { value: isLive ? view.last : "" });
    clientside.set_props("pause", {
      children: isLive ? "Pause" : "Go live",
      variant: isLive ? "default" : "filled",
    });
    clientside.set_props("host", { value: view.host || OWN_HOST });
    if (isLive) showRange();
    writeUrl();
  }

  // On a phone the ranges scroll sideways: the chosen one shall be in sight.
  function showRange() {
    const ranges = document.getElementById("ranges");
    const chosen = ranges?.querySelector(`input[value="${view.last}"] + label`);
    if (!chosen) return;
    const [inner, outer] = [chosen.getBoundingClientRect(), ranges.getBoundingClientRect()];
    ranges.scrollLeft += inner.left + inner.width / 2 - (outer.left + outer.width / 2);
  }

  function set(changed) {
    view = changed;
    clientside.set_props("view", { data: view });
    dress();
  }

  const last = () => (view ? view.last : DEFAULT_LAST);
  const host = () => (view ? view.host : "");
  const goLive = () => set({ last: last(), host: host() });
  const fix = (from, to) => set({ last: last(), host: host(), from, to });

  function toggle() {
    if (!view) return;
    if (view.from) goLive();
    else if (span) fix(span[0], span[1]);
  }

  const day = new Intl.DateTimeFormat(undefined, {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
  });
  const clock = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  const zone =
    new Intl.DateTimeFormat(undefined, { timeZoneName: "short" })
      .formatToParts(new Date())
      .find((part) => part.type === "timeZoneName") || {};

  function lengthText(seconds) {
    if (seconds < 120) return `${seconds} s`;
    if (seconds < 7200) return `${Math.round(seconds / 6) / 10} min`;
    if (seconds < 172800) return `${Math.round(seconds / 360) / 10} h`;
    return `${Math.round(seconds / 86400)} d`;
  }

  function setSpan(newSpan) {
    span = newSpan;
    const shown = document.getElementById("span-text");
    if (!shown) return;
    const [from, to] = span.map((seconds) => new Date(seconds * 1000));
    const sameDay = day.format(from) === day.format(to);
    const begin = sameDay ? clock.format(from) : `${day.format(from)} ${clock.format(from)}`;
    shown.textContent =
      `${begin} – ${clock.format(to)}, ${day.format(to)} ${zone.value || ""}` +
      ` (${lengthText(span[1] - span[0])})`;
    writeUrl();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest(TYPING)) return;
    if (!document.querySelector(".live-page")) return;
    event.preventDefault();
    toggle();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    // Mantine closes a popover only while the focus is within.
    if (document.getElementById("processes")?.checkVisibility()) {
      clientside.set_props("standing-popover", { opened: false });
    }
    if (document.documentElement.dataset.navigation !== "open") return;
    clientside.set_props("burger", { opened: false });
    document.getElementById("burger")?.focus();
  });

  clientside.view = {
    // Once, when the shell is there: the URL says what to show.
    // After that: a range or a host was chosen, or the pause button pressed.
    choose(range, _pause, chosen) {
      const cause = clientside.callback_context.triggered_id;
      if (!view) {
        view = fromUrl();
        window.setTimeout(dress, 0); // the components it writes to are mounted by then
        return view;
      }
      if (cause === "pause") toggle();
      else if (cause === "host") {
        const wanted = !chosen || chosen === OWN_HOST ? "" : chosen;
        if (wanted !== view.host) set({ ...view, host: wanted });
      } else if (range && (range !== view.last || view.from)) set({ last: range, host: view.host });
      return clientside.no_update;
    },

    // What narrows a page stands in the URL too, under the last part of its component's id.
    keep(...values) {
      const query = new URLSearchParams(window.location.search);
      clientside.callback_context.inputs_list.forEach(({ id }, index) => {
        const name = id.slice(id.indexOf("-") + 1);
        if (values[index]) query.set(name, values[index]);
        else query.delete(name);
      });
      replaceUrl(query);
      // The part a link names was not there when the browser looked for it.
      if (!jumped) document.getElementById(window.location.hash.slice(1))?.scrollIntoView();
      jumped = true;
      return clientside.no_update;
    },

    // On a phone the navigation opens by its button and closes with the choice of a page.
    navigation(opened, _pathname, navbar) {
      const open = clientside.callback_context.triggered_id === "burger" ? opened : false;
      document.documentElement.dataset.navigation = open ? "open" : "closed";
      document.getElementById("burger")?.setAttribute("aria-expanded", String(Boolean(open)));
      return [{ ...navbar, collapsed: { mobile: !open } }, open];
    },

    // A row that stays selected when its drawer is closed could not be opened again.
    forget(opened) {
      return opened ? clientside.no_update : [];
    },
  };
  const isChosen = () => view !== null; // from then on polls are asked
  scope.view = { fix, goLive, setSpan, replaceUrl, span: () => span, host, isChosen };
})();
