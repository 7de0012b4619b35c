// Visitors who come past the proxy that adds the path prefix are led below it, to the pages.
(function () {
  "use strict";
  var prefix = document.currentScript.dataset.prefix;
  var here = window.location;
  if (here.pathname.indexOf(prefix) === 0) return;
  var path = here.pathname + "/" === prefix ? "" : here.pathname.slice(1);
  here.replace(prefix + path + here.search + here.hash);
})();
