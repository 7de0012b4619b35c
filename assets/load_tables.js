// The code of tables has 1.3 MB, and most pages have none: it is loaded with the first table, from
// where the script element says (components/delivery/document.py).
// Until then a component that waits for it stands under the name by which Dash looks tables up.
(function () {
  "use strict";

  const { Suspense, createElement, lazy, useMemo } = window.React;
  const phone = window.matchMedia("(max-width: 48em)");
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

  // A phone has room for a few columns: those that a row is read by come first there, and narrower.
  // (panels.phone_column) The others are beside them.
  function columnsOf(all) {
    if (!phone.matches) return all;
    const onPhone = (column) => column.context?.phone;
    const first = all.filter(onPhone).map((column) => ({ ...column, ...onPhone(column) }));
    return [...first, ...all.filter((column) => !onPhone(column))];
  }

  function Table(props) {
    const columnDefs = useMemo(() => columnsOf(props.columnDefs), [props.columnDefs, phone.matches]);
    const table = createElement(LoadedTable, { ...props, columnDefs });
    const waiting = createElement("div", { className: "dimmed" }, "Loading…");
    return createElement(Suspense, { fallback: waiting }, table);
  }

  Table.dashRenderType = true; // as the loaded one says: it is told why it is drawn
  window.dash_ag_grid = { AgGrid: Table };
})();
