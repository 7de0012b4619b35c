// The document brings the data that Dash and the first poll would ask for, see
// components/first_load.py. The page is drawn with the first answer in it, without a further
// request.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const element = document.getElementById("first-load");
  const [visit] = performance.getEntriesByType("navigation");
  // Out of the history comes a document that may be hours old.
  if (!element || visit?.type === "back_forward") return;
  const { layout, dependencies, view, answer } = JSON.parse(element.textContent);
  const config = JSON.parse(document.getElementById("_dash-config").textContent);
  const brought = new Map([
    [`${config.requests_pathname_prefix}_dash-layout`, layout],
    [`${config.requests_pathname_prefix}_dash-dependencies`, dependencies],
  ]);
  const ask = window.fetch;

  window.fetch = function (address, ...others) {
    if (!brought.has(address)) return ask.call(window, address, ...others);
    const body = JSON.stringify(brought.get(address));
    brought.delete(address);
    if (!brought.size) window.fetch = ask;
    const headers = { "Content-Type": "application/json" };
    return Promise.resolve(new Response(body, { headers }));
  };

  // Dash's router would build the page anew from an address that the layout does not know.
  function findById(node, id) {
    if (!node || typeof node !== "object") return null;
    if (node.props?.id === id) return node;
    for (const child of Array.isArray(node) ? node : [node.props?.children]) {
      const found = findById(child, id);
      if (found) return found;
    }
    return null;
  }
  const { href, pathname, search, hash } = window.location;
  Object.assign(findById(layout, "_pages_location").props, { href, pathname, search, hash });

  if (!answer) return;
  const watcher = new MutationObserver(() => {
    if (!document.querySelector(".live-page")) return;
    watcher.disconnect();
    if (scope.view.begin(view)) scope.answers.showFirst(answer);
  });
  watcher.observe(document.getElementById("react-entry-point"), { childList: true, subtree: true });
})();
