// The items of Export menus download what their link names: metrics over the span the page shows,
// or what has a span of its own.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});

  document.addEventListener("click", (event) => {
    const whole = event.target instanceof Element && event.target.closest("[data-download]");
    if (whole) window.location.assign(whole.dataset.download); // an attachment: the page stays
    const item = event.target instanceof Element && event.target.closest("[data-export]");
    if (!item) return;
    const url = new URL(item.dataset.export, window.location.origin);
    const host = scope.view && scope.view.host();
    if (host) url.searchParams.set("host", host);
    const span = scope.view && scope.view.span();
    if (span) {
      url.searchParams.set("from", span[0]);
      url.searchParams.set("to", span[1]);
    }
    window.location.assign(url); // an attachment: the page stays
  });
})();
