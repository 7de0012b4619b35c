// A printed page is light, its graphs are as wide as the paper, and a chapter's tables are open.
(function () {
  "use strict";

  const SCHEME = "data-mantine-color-scheme";
  const PAPER_WIDTH = 680; // CSS pixels of A4 between the margins that print.css gives it
  let undo = null;

  function prepare() {
    if (undo) return;
    const root = document.documentElement;
    const scheme = root.getAttribute(SCHEME);
    const result = document.getElementById("chapter-result");
    const folded = [...(result?.querySelectorAll("details:not([open])") ?? [])];
    const plots = [...(result?.querySelectorAll(".js-plotly-plot") ?? [])];
    root.setAttribute(SCHEME, "light");
    if (result) result.dataset.address = `The address of this experiment: ${location.href}`;
    for (const one of folded) one.open = true;
    // Before printing the page still has the width of the screen.
    for (const plot of plots) window.Plotly.relayout(plot, { width: PAPER_WIDTH });
    undo = () => {
      root.setAttribute(SCHEME, scheme);
      for (const one of folded) one.open = false;
      for (const plot of plots) window.Plotly.relayout(plot, { width: null, autosize: true });
    };
  }

  function restore() {
    undo?.();
    undo = null;
  }

  window.addEventListener("beforeprint", prepare);
  window.addEventListener("afterprint", restore);
})();
