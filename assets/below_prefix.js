// Who comes past the proxy that adds the path prefix is led below it: there the pages are.
(function () {
  "use strict";
  var prefix = document.currentScript.dataset.prefix;
  var here = window.location;
  if (here.pathname.indexOf(prefix) === 0) return;
  var path = here.pathname + "/" === prefix ? "" : here.pathname.slice(1);
  here.replace(prefix + path + here.search + here.hash);
})();
