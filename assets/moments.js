// Moments in the time zone that was chosen: elements of the class `moment` name an epoch second.
(function () {
  "use strict";

  const shown = window.servescope.clock.format({
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hourCycle: "h23",
    timeZoneName: "short",
  });

  function dress() {
    for (const element of document.querySelectorAll(".moment:empty")) {
      element.textContent = shown.format(new Date(Number(element.dataset.epochSeconds) * 1000));
    }
  }

  new MutationObserver(dress).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", dress);
})();
