// The code of tables has 1.3 MB, and most pages have none: it is loaded with the first table, from
// where the script element says (components/delivery/document.py).
// Until then a component that waits for it stands under the name by which Dash looks tables up.
(function () {
  "use strict";

  const { Suspense, createElement, lazy } = window.React;
  const source = document.currentScript.dataset.tables;

  function load() {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`The code of tables did not load: ${source}`));
      document.head.append(script);
    });
  }

  const LoadedTable = lazy(async () => {
    await load();
    const { AgGrid } = window.dash_ag_grid;
    // Dash shall find this component, not the loaded one: another type would be another table.
    window.dash_ag_grid = { ...window.dash_ag_grid, AgGrid: Object.assign(Table, AgGrid) };
    return { default: AgGrid };
  });

  function Table(props) {
    return createElement(Suspense, { fallback: null }, createElement(LoadedTable, props));
  }

  Table.dashRenderType = true; // as the loaded one says: it is told why it is drawn
  window.dash_ag_grid = { AgGrid: Table };
})();
