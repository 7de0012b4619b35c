// Has React ask Dash's components for new properties only when a person might see some.
//
// A poll makes Dash dispatch some forty actions. Half of them change nothing, a quarter change only
// what no component shows, and several come one right after the other. React-Redux would ask every
// component of the page after each of them, which was most of what a poll cost.
(function () {
  "use strict";

  const NOT_SHOWN = new Set(["callbacks", "paths"]); // the queues of callbacks; where components are
  const SHOWN_LATE = new Set(["loading", "isLoading", "history", "changed"]); // a callback is under way; undo
  const LAYOUT = new Set(["layout", "layoutHashes"]);
  const LATE_MS = 200; // most callbacks are over by then

  const isShown = (part) => !NOT_SHOWN.has(part);

  // A clock, or a store that keeps nothing in the browser: all that it does may wait a moment.
  function isUnseen(component) {
    if (component?.type === "Interval") return true;
    return component?.type === "Store" && (component.props.storage_type || "memory") === "memory";
  }

  // `layoutHashes` has an object for each component that was changed, by its path.
  function isLayoutSeen(before, after) {
    const hashes = after.layoutHashes;
    const changed = Object.keys(hashes).filter((path) => hashes[path] !== before.layoutHashes[path]);
    const componentAt = (path) => path.split(",").reduce((node, step) => node?.[step], after.layout);
    return !changed.length || !changed.every((path) => isUnseen(componentAt(path)));
  }

  const isUrgent = (part, before, after) =>
    LAYOUT.has(part) ? isLayoutSeen(before, after) : !SHOWN_LATE.has(part);

  // A field that a person changes gets its value back from React at the end of the event.
  const isInInput = () => window.event instanceof UIEvent || window.event?.type === "change";

  function tellOfChanges(store) {
    const { subscribe } = store;
    store.subscribe = (listener) => {
      let seen = store.getState();
      let late = 0; // the timer
      let isDue = false; // at the end of what runs now

      function cancel() {
        window.clearTimeout(late);
        late = 0;
        isDue = false;
      }

      function tell() {
        cancel();
        listener();
      }

      const unsubscribe = subscribe(() => {
        const before = seen;
        seen = store.getState();
        if (seen === before) return;
        const changed = Object.keys(seen).filter((part) => seen[part] !== before[part] && isShown(part));
        if (!changed.length) return;
        if (!changed.some((part) => isUrgent(part, before, seen))) {
          late ||= window.setTimeout(tell, LATE_MS);
        } else if (isInInput()) {
          tell();
        } else if (!isDue) {
          isDue = true;
          queueMicrotask(() => isDue && tell());
        }
      });
      return () => {
        cancel();
        unsubscribe();
      };
    };
  }

  // Dash adds its store before React subscribes to it, and after what runs callbacks has.
  const stores = (window.dash_stores = window.dash_stores || []);
  stores.push = (...added) => {
    for (const store of added) tellOfChanges(store);
    return Array.prototype.push.apply(stores, added);
  };
})();
