// A dcc.Graph that is made before the document's own Plotly has come, as on a slow network, asks for it
// at this address. Dash sets it late, to a bundle with all types of traces, five times as large.
(function () {
  "use strict";

  const source = document.currentScript.dataset.plotly; // see components/delivery/document.py
  Object.defineProperty(window, "_dashPlotlyJSURL", { get: () => source, set() {} });
})();
