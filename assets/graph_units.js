// How values of a figure read: by the scales that came with it, see servescope/figures/units.py.
// Ticks, legend, cursor and copies all read them here.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const NOTHING = "—";
  const WHOLE_FROM = 99.95; // from there on one decimal would round up to 100.0
  const WHOLE_PERCENT_FROM = 9.95;
  const LEAST_PERCENT = 0.001;
  const LEAST_IN_UNIT_OF_AXIS = 0.01; // of it; less reads in a smaller unit
  const FEW_DECADES = 50; // a logarithmic axis of fewer has ticks at 2 and 5 as well
  const DAY_S = 86400;
  const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const WITH_DAY = { ...CLOCK, day: "numeric", month: "short" };
  const clocks = [CLOCK, WITH_DAY].map((form) => scope.clock.format(form));

  // Three significant digits below 100, whole numbers with separators from there on.
  function number(value) {
    const size = Math.abs(value);
    if (!Number.isFinite(value)) return NOTHING;
    if (size === 0) return "0";
    if (size >= WHOLE_FROM) return Math.round(value).toLocaleString("en-US");
    const power = Math.floor(Math.log10(size));
    const shown = value.toFixed(size >= 1 ? Math.max(2 - power, 0) : 1 - power);
    return shown.includes(".") ? shown.replace(/\.?0+$/, "") : shown;
  }

  function withUnit(reading, value, suffix) {
    const size = Math.abs(value);
    if (suffix === "%" && size > 0 && size < LEAST_PERCENT) return `< ${LEAST_PERCENT} %`;
    const isWhole = suffix === "%" && size >= WHOLE_PERCENT_FROM;
    const shown = isWhole ? Math.round(value).toLocaleString("en-US") : number(value);
    const [one, many] = reading.noun;
    const unit = many ? (shown === "1" ? one : many) : suffix;
    return unit ? `${shown} ${unit}` : shown;
  }

  // A value in base units, in the unit that suits it.
  function scaled(reading, value) {
    const size = Math.abs(value);
    const [, factor, suffix] = reading.scales.findLast(([least]) => least <= size) || reading.scales[0];
    return withUnit(reading, value * factor, suffix);
  }

  // A value as it is drawn. It reads in the unit of its axis, where that has one; nothing reads as it
  // does in a card or a table, as 0 ms and not as 0 min.
  function text(reading, drawn) {
    if (drawn === null || drawn === undefined) return NOTHING;
    const size = Math.abs(drawn);
    if (reading.suffix !== null && size >= LEAST_IN_UNIT_OF_AXIS) {
      return withUnit(reading, drawn, reading.suffix);
    }
    return scaled(reading, drawn / reading.factor);
  }

  // The unit of all values drawn, as a heading of a table names it: seconds on an axis of any size.
  function unitOf(reading) {
    if (reading.suffix === null) return reading.scales.find(([, factor]) => factor === 1)?.[2] || "";
    return reading.noun[1] || reading.suffix;
  }

  // Ticks of a logarithmic axis: 1, 10 and 100 of each unit.
  function logTicks(reading, low, high) {
    const multiples = high / low > FEW_DECADES ? [1] : [1, 2, 5];
    const tickvals = [];
    reading.scales.forEach(([least, factor], i) => {
      if (!least) return;
      const end = reading.scales[i + 1]?.[0] ?? Infinity;
      for (let power = 1; power / factor < Math.min(end, high * 10); power *= 10) {
        tickvals.push(...multiples.map((m) => (m * power) / factor).filter((value) => value < end));
      }
    });
    const inReach = tickvals.filter((value) => value > low / 10 && value < high * 10);
    return { tickvals: inReach, ticktext: inReach.map((value) => scaled(reading, value)) };
  }

  // A moment that lasts a step, in epoch seconds: its second, or from when to when.
  function spanText([from, to]) {
    const clock = clocks[to - from >= DAY_S ? 1 : 0];
    const begin = clock.format(from * 1000);
    return to - from <= 1 ? begin : `${begin} – ${clock.format(to * 1000)}`;
  }

  function stepText(seconds) {
    if (seconds <= 1) return "second";
    if (seconds < 60) return `${seconds} s`;
    return seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`;
  }

  scope.units = { number, text, scaled, unitOf, logTicks, spanText, stepText };
})();
