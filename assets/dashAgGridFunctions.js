// Functions that tables name in their column definitions and listeners.
(function () {
  "use strict";

  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  const { format } = window.servescope.clock;
  const clock = format({
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hourCycle: "h23",
  });
  const moment = format({
    day: "2-digit",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });

  functions.clock = (seconds) => (seconds ? clock.format(new Date(seconds * 1000)) : "");
  functions.moment = (seconds) => (seconds ? moment.format(new Date(seconds * 1000)) : "");
  // Arrows go from cell to cell; Tab leaves the table, which may have more than a thousand.
  functions.leaveTable = () => false;

  // A cell that leads to a page of ours, which its row names as `address`, and what it is `called`.
  const components = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  components.PageLink = ({ data }) =>
    window.React.createElement("a", { href: data.address, "data-page": "" }, data.called);
})();
