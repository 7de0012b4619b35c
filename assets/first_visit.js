// Says once, until it is dismissed, what this is: the answer is kept in this browser.
(function () {
  "use strict";

  const KEY = "servescope-first-visit-over";
  const root = document.documentElement;

  function isOver() {
    try {
      return window.localStorage.getItem(KEY) !== null;
    } catch {
      return false; // storage may be forbidden: then it is said again
    }
  }

  root.classList.toggle("is-first-visit", !isOver());
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("#first-visit-over")) return;
    root.classList.remove("is-first-visit");
    try {
      window.localStorage.setItem(KEY, "1");
    } catch {
      // see above
    }
  });
})();
