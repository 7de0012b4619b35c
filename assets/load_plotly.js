// Plotly takes longest to compile and is needed last, when the page stands: it is asked for once the
// scripts that make the page have run. It is compiled beside the main thread, on a core that compiled
// those until then, while React draws the page.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const source = document.currentScript.dataset.plotly; // see components/delivery/document.py

  window._dashPlotlyJSURL = source; // for a dcc.Graph that is made before

  document.addEventListener("DOMContentLoaded", () => {
    const script = document.createElement("script");
    script.src = source;
    script.fetchPriority = "high";
    script.onload = () => scope.graphs.drawFirst();
    script.onerror = () => reportError(new Error(`Plotly did not load: ${source}`));
    document.head.append(script);
  });
})();
