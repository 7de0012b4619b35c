// Runs before the first paint, so that a dark page never flashes white.
// Mantine keeps the choice under this key and reads it again once it is there.
(function () {
  "use strict";
  var chosen = null;
  try {
    chosen = window.localStorage.getItem("mantine-color-scheme-value");
  } catch {
    // Storage may be forbidden: then the system's preference holds.
  }
  if (chosen !== "dark" && chosen !== "light") {
    chosen = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  document.documentElement.setAttribute("data-mantine-color-scheme", chosen);
})();
