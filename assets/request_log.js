// The request log: a click on a value narrows it, a click on a row opens the request.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});

  const phone = window.matchMedia("(max-width: 48em)");
  const ROWS_OF_A_PHONE = "10"; // a row is as high as five lines there

  clientside.request_log = {
    // Where nobody chose how many rows a page has, a phone has few.
    rows(chosen) {
      return chosen || !phone.matches ? clientside.no_update : ROWS_OF_A_PHONE;
    },
  };

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || event.button) return;
    const narrowing = event.target.closest("[data-narrow]");
    if (narrowing) {
      scope.view.narrow(JSON.parse(narrowing.dataset.narrow), "anew" in narrowing.dataset);
      return;
    }
    // A link that is opened in another tab leads to the address of the request.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const row = event.target.closest("[data-request]");
    if (!row || window.getSelection()?.toString()) return;
    event.preventDefault();
    clientside.set_props("requests-chosen", { data: { id: Number(row.dataset.request) } });
  });
})();
