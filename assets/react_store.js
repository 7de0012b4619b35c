// Has React ask Dash's components for new properties only when there may be some.
//
// A poll makes Dash dispatch some forty actions. Half of them change nothing, a quarter change only
// what no component shows, and several come one right after the other. React-Redux would ask every
// component of the page after each of them, which was most of what a poll cost.
(function () {
  "use strict";

  const NOT_SHOWN = new Set(["callbacks", "paths"]); // the queues of callbacks; where components are
  const SHOWN_LATE = new Set(["loading", "isLoading"]); // that a callback is under way
  const LATE_MS = 200; // most callbacks are over by then

  const isShown = (part) => !NOT_SHOWN.has(part);

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
        if (changed.every((part) => SHOWN_LATE.has(part))) {
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
