// How values of a figure read: each in the unit that suits it, the ticks of an axis in the one unit
// that came with it, see servescope/figures/units.py. Ticks, legend, cursor and copies all read them
// here.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const NOTHING = "—";
  const WHOLE_FROM = 99.95; // from there on one decimal would round up to 100.0
  const WHOLE_PERCENT_FROM = 9.95;
  const ALMOST_ALL = 99.5; // per cent of a whole: what is less than all does not read as all
  const MOST_TOLD = 99.9;
  const ALL = 100;
  const TOO_LONG = 10000; // nobody reads 10,000 ms
  const ROOM = 1.3; // an axis with a logarithm reaches so many times beyond its greatest value
  const LEAST = 0.001; // of a unit; less is said to be less than this
  const FEW_DECADES = 50; // a logarithmic axis of fewer has ticks at 2 and 5 as well
  const FINER = [
    [1, 2, 5],
    [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5],
  ];
  const LEAST_TICKS = 2; // within the values: the first of these that has so many
  const DAY_S = 86400;
  const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const WITH_DAY = { ...CLOCK, day: "numeric", month: "short" };
  const clocks = [CLOCK, WITH_DAY].map((form) => scope.clock.format(form));

  const floor = (value) => Math.floor(Number(value.toFixed(6))); // 67 that came as 66.99999999 is 67

  // Three significant digits below 100, whole numbers with separators from there on; of a lower bound
  // the others are left out, so that it stays one.
  function number(value, isLowerBound = false) {
    const size = Math.abs(value);
    if (!Number.isFinite(value)) return NOTHING;
    if (size === 0) return "0";
    const power = Math.floor(Math.log10(size));
    const few = size >= 1 ? Math.max(2 - power, 0) : 1 - power;
    const decimals = size >= WHOLE_FROM ? 0 : few;
    const exact = Number((value * 10 ** decimals).toFixed(6));
    const told = isLowerBound ? Math.floor(exact) / 10 ** decimals : value;
    if (size >= WHOLE_FROM) return Math.round(told).toLocaleString("en-US");
    const shown = told.toFixed(decimals);
    return shown.includes(".") ? shown.replace(/\.?0+$/, "") : shown;
  }

  function withUnit(reading, value, suffix) {
    const size = Math.abs(value);
    if (suffix && value > 0 && value < LEAST) return `< ${LEAST} ${suffix}`;
    const isWhole = suffix === "%" && size >= WHOLE_PERCENT_FROM;
    let shown = isWhole ? Math.round(value).toLocaleString("en-US") : number(value);
    if (reading.share && value >= ALMOST_ALL && value < ALL) {
      shown = value < MOST_TOLD ? number(value) : `> ${MOST_TOLD}`;
    }
    const [one, many] = reading.noun;
    const unit = many ? (shown === "1" ? one : many) : suffix;
    return unit ? `${shown} ${unit}` : shown;
  }

  const inUnit = (reading, drawn) => withUnit(reading, drawn * reading.times, reading.suffix);

  // Of a value in the base unit: what it reads in its own unit, and that unit.
  function alone(reading, value) {
    const [, factor, suffix] = reading.scales.findLast(([least]) => least <= Math.abs(value));
    return [value * factor, suffix];
  }

  // One of minutes or more has whole parts of its unit: `2 min 13 s`.
  function durationText(reading, drawn, isLowerBound) {
    const seconds = drawn / reading.factor;
    if (Math.abs(seconds) >= scope.clock.IN_PARTS_FROM_S) {
      return scope.clock.lengthText(seconds, isLowerBound ? floor : Math.round);
    }
    const [value, suffix] = alone(reading, seconds);
    return `${number(value, isLowerBound)} ${suffix}`;
  }

  // A value as it is drawn.
  function text(reading, drawn) {
    if (drawn === null || drawn === undefined) return NOTHING;
    if (reading.base === "s") return durationText(reading, drawn, false);
    if (reading.scales.length < 2) return inUnit(reading, drawn);
    return withUnit(reading, ...alone(reading, drawn / reading.factor));
  }

  // A lower bound of a duration, `64 s or longer` in words.
  const boundText = (reading, drawn) => `≥ ${durationText(reading, drawn, true)}`;
  const boundWords = (reading, drawn) => `${durationText(reading, drawn, true)} or longer`;

  // The unit of all values drawn, as a heading of a table names it: seconds on a logarithmic axis.
  function unitOf(reading) {
    return reading.noun[1] || (reading.times === 1 ? reading.suffix : reading.base);
  }

  // A tick in the unit that suits it alone: `[least, factor, suffix]`, ascending. Ticks lie at powers
  // of ten of the base unit: 100 s are no round number of minutes.
  function textAlone(reading, value) {
    const isRound = ([least, factor]) => least <= value && (reading.base !== "s" || factor >= 1);
    const [, factor, suffix] = reading.scales.findLast(isRound);
    return withUnit(reading, value * factor, suffix);
  }

  // Ticks of a logarithmic axis up to `top`: powers of ten of its unit, with few of them two and five
  // times these, and more of a decade where fewer than two of them lie within the values. Where some are too small for that unit each has its own: two ticks that read "< 0.001 s" say nothing.
  function logTicks(chosen, low, high, top = high * ROOM) {
    // The values may have grown since the unit was chosen, and an axis reaches beyond them.
    const isTooLong = chosen.base === "s" && top * chosen.times >= TOO_LONG && top >= 10;
    const reading = isTooLong ? { ...chosen, times: 1, suffix: chosen.base } : chosen;
    const first = Math.floor(Math.log10(low * reading.times)) - 1;
    const ticks = (multiples) => {
      const found = [];
      for (let power = first; 10 ** power <= high * reading.times * 10; power += 1) {
        found.push(...multiples.map((m) => (m * 10 ** power) / reading.times));
      }
      return found;
    };
    const within = (found) => found.filter((value) => value >= low && value <= high).length;
    let tickvals = ticks(high / low > FEW_DECADES ? [1] : FINER[0]);
    // Around one value alone Plotly shows a decade to both sides, where these are enough.
    if (within(tickvals) < LEAST_TICKS && high > low) {
      const finer = FINER.map(ticks).find((found) => within(found) >= LEAST_TICKS);
      tickvals = finer || [low, high];
    }
    const inReach = tickvals.filter((value) => value > low / 10 && value < high * 10);
    const isWide = reading.scales.length > 1 && inReach[0] * reading.times < LEAST;
    const write = isWide ? textAlone : inUnit;
    return { tickvals: inReach, ticktext: inReach.map((value) => write(reading, value)) };
  }

  // A moment that lasts a step, in epoch seconds: its second, or from when to when.
  function spanText([from, to]) {
    const clock = clocks[to - from >= DAY_S ? 1 : 0];
    const begin = clock.format(from * 1000);
    return to - from <= 1 ? begin : `${begin} – ${clock.format(to * 1000)}`;
  }

  function stepText(seconds) {
    if (seconds < 60) return `${seconds} s`;
    return seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`;
  }

  scope.units = { number, text, boundText, boundWords, unitOf, logTicks, spanText, stepText };
})();
