// Times as a person reads and writes them, in the time zone chosen in this browser: its own or UTC.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const KEY = "servescope-time-zone";
  const MINUTE_MS = 60000;
  const DAY_S = 86400;
  const IN_PARTS_FROM_S = 119.5; // 120 s as it is read
  const LENGTHS = [[7200, "m", "s"], [172800, "h", "m"], [14 * DAY_S, "d", "h"], [Infinity, "d", "d"]];
  const NAMES = { s: "s", m: "min", h: "h", d: "d" };
  const UNITS_S = { s: 1, m: 60, h: 3600, d: DAY_S, w: 7 * DAY_S, M: 30 * DAY_S, y: 365 * DAY_S };
  // The names of a unit; m is a minute and M a month, as in Grafana and in date formats.
  const UNIT_NAMES = {
    s: "s|secs?|seconds?", m: "m|mins?|minutes?", h: "h|hours?", d: "d|days?", w: "w|weeks?",
    M: "M|months?", y: "y|years?",
  };
  const UNIT = `(?:${Object.values(UNIT_NAMES).join("|")})(?![A-Za-z])`;
  const LENGTH = `(?:\\d+\\s*${UNIT}\\s*)+`;
  const AGO = new RegExp(`^(now(?:\\s*-\\s*${LENGTH})*|-?\\s*${LENGTH})\\s*(?:/\\s*([smhdwMy]))?$`);
  const PARTS = new RegExp(`(\\d+)\\s*(${UNIT})`, "g");
  const DAYS = { today: "now/d", yesterday: "now-1d/d" };
  const SECONDS = "(?::(\\d{2})(?:[.,]\\d{1,9})?)?";
  const ZONE = "(z|utc|[+-]\\d{2}:?(?:\\d{2})?)?";
  const DATE = new RegExp(
    `^(\\d{4})-(\\d{1,2})-(\\d{1,2})(?:[t ]+(\\d{1,2}):(\\d{2})${SECONDS})?\\s*${ZONE}$`,
  );
  const CLOCK = new RegExp(`^(\\d{1,2}):(\\d{2})${SECONDS}$`);
  const EPOCH_S = /^\d{9,10}$/;
  const EPOCH_MS = /^\d{12,13}$/;
  const HMS = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const DAY = { weekday: "short", day: "numeric", month: "short", year: "numeric" };

  function remembered() {
    try {
      return window.localStorage.getItem(KEY) === "utc" ? "utc" : "local";
    } catch {
      return "local"; // storage may be forbidden: then the browser's zone holds
    }
  }

  const zone = remembered();
  const isUtc = zone === "utc";

  function remember(chosen) {
    try {
      window.localStorage.setItem(KEY, chosen);
    } catch {
      return false;
    }
    return true;
  }

  // A formatter that is made when it is first used: a browser takes a millisecond or more for one.
  function format(options) {
    let made = null;
    const formatter = () => {
      made ??= new Intl.DateTimeFormat(undefined, isUtc ? { ...options, timeZone: "UTC" } : options);
      return made;
    };
    return {
      format: (moment) => formatter().format(moment),
      formatToParts: (moment) => formatter().formatToParts(moment),
    };
  }

  const hms = format(HMS);
  const day = format(DAY);
  const zoneName =
    format({ timeZoneName: "short" })
      .formatToParts(new Date())
      .find((part) => part.type === "timeZoneName")?.value || "";

  // Minutes by which the zone is behind UTC at this moment.
  const offsetMinutes = (ms) => (isUtc ? 0 : new Date(ms).getTimezoneOffset());

  // Epoch seconds of a time of day in the zone; null where the calendar has no such time.
  function second(year, month, dayOfMonth, hour = 0, minute = 0, seconds = 0, utc = isUtc) {
    const given = [year, month - 1, dayOfMonth, hour, minute, seconds].map(Number);
    const date = utc ? new Date(Date.UTC(...given)) : new Date(...given);
    const back = utc
      ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours()]
      : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours()];
    const exists = back.every((part, i) => part === given[i]) && given[4] < 60 && given[5] < 60;
    return exists ? date.getTime() / 1000 : null;
  }

  // A time of day is the last one that is past.
  function lastAt(now, hour, minute, seconds) {
    for (const back of [0, DAY_S]) {
      const date = new Date((now - back) * 1000);
      const parts = isUtc
        ? [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
        : [date.getFullYear(), date.getMonth() + 1, date.getDate()];
      const found = second(...parts, hour, minute, seconds);
      if (found === null || found <= now) return found;
    }
    return null;
  }

  const unitOf = (name) =>
    Object.keys(UNIT_NAMES).find((unit) => new RegExp(`^(?:${UNIT_NAMES[unit]})$`).test(name));

  // The first second of the minute, hour, day, week (from Monday), month or year that `at` lies in;
  // with `isEnd` that of the next one.
  function rounded(at, unit, isEnd) {
    const date = new Date(at * 1000);
    const [year, month, day, hour, minute, seconds] = isUtc
      ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
      : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];
    const sinceMonday = ((isUtc ? date.getUTCDay() : date.getDay()) + 6) % 7;
    const more = isEnd ? 1 : 0;
    const parts = {
      s: [year, month, day, hour, minute, seconds + more],
      m: [year, month, day, hour, minute + more],
      h: [year, month, day, hour + more],
      d: [year, month, day + more],
      w: [year, month, day - sinceMonday + 7 * more],
      M: [year, month + more, 1],
      y: [year + more, 0, 1],
    }[unit];
    return (isUtc ? Date.UTC(...parts) : new Date(...parts).getTime()) / 1000;
  }

  function parseAgo(text, now, isEnd) {
    const found = AGO.exec(text);
    if (!found) return null;
    let ago = 0;
    for (const [, count, name] of found[1].matchAll(PARTS)) ago += Number(count) * UNITS_S[unitOf(name)];
    return found[2] ? { at: rounded(now - ago, found[2], isEnd) } : { ago };
  }

  // Minutes by which a zone such as +01:00 is ahead of UTC; null for the zone of this page.
  function zoneMinutes(text) {
    if (!text) return null;
    const found = /^([+-])(\d{2}):?(\d{2})?$/.exec(text);
    return found ? (found[1] === "-" ? -1 : 1) * (60 * Number(found[2]) + Number(found[3] || 0)) : 0;
  }

  function parseDate([, year, month, day, hour, minute, seconds, zone]) {
    const ahead = zoneMinutes(zone);
    const at = second(year, month, day, hour || 0, minute || 0, seconds || 0, isUtc || ahead !== null);
    return at === null ? null : at - 60 * (ahead || 0);
  }

  // A written time as {ago} in seconds, {at} in epoch seconds or {start: true}; null for no time.
  // Relative ones are written as in Grafana, or as a length alone: now-1h/h, 15m. One that is rounded
  // is the beginning of its unit, with `isEnd` the end.
  function parse(written, now, isEnd = false) {
    const text = written.trim().replace(/^now/i, "now");
    const lower = text.toLowerCase();
    if (lower === "start") return { start: true };
    const ago = parseAgo(DAYS[lower] || text, now, isEnd);
    if (ago) return ago;
    if (EPOCH_S.test(text)) return { at: Number(text) };
    if (EPOCH_MS.test(text)) return { at: Math.floor(Number(text) / 1000) };
    const date = DATE.exec(lower);
    const clock = CLOCK.exec(lower);
    let at = null;
    if (date) at = parseDate(date);
    else if (clock) at = lastAt(now, ...clock.slice(1).map((part) => part || 0));
    return at === null ? null : { at };
  }

  const two = (number) => String(number).padStart(2, "0");

  // A moment as the form takes it back.
  function written(at) {
    const date = new Date(at * 1000 - offsetMinutes(at * 1000) * MINUTE_MS);
    const text = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
    const days = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()].map(two);
    return `${days.join("-")} ${text}`;
  }

  // In a unit and whole parts of it, `2 min 13 s`, as `servescope/figures/units.py` says them. With
  // Math.floor for `round` a length that is not whole never reads as the whole one. In parts from
  // `from` seconds on: from a minute on beside another length in minutes.
  function lengthText(seconds, round = Math.round, from = IN_PARTS_FROM_S) {
    if (seconds < from) return `${seconds} s`;
    const [, unit, part] = LENGTHS.find(([limit]) => seconds < limit);
    const parts = round(seconds / UNITS_S[part]);
    const inWhole = UNITS_S[unit] / UNITS_S[part];
    const rest = parts % inWhole;
    const whole = `${((parts - rest) / inWhole).toLocaleString("en-US")} ${NAMES[unit]}`;
    return rest ? `${whole} ${rest} ${NAMES[part]}` : whole;
  }

  // The key of a live range, such as 15m, by its length.
  function lengthKey(seconds) {
    for (const unit of ["d", "h", "m"]) {
      if (seconds % UNITS_S[unit] === 0) return `${seconds / UNITS_S[unit]}${unit}`;
    }
    return `${seconds}s`;
  }

  function lengthOf(key) {
    const [, count, unit] = /^(\d+)([smhdwy])$/.exec(key) || [null, 5, "m"];
    return Number(count) * UNITS_S[unit];
  }

  const withMs = format({ ...HMS, fractionalSecondDigits: 3 });
  const full = format({ ...DAY, ...HMS, fractionalSecondDigits: 3, timeZoneName: "short" });
  // Write the time of an element that names an epoch second.
  function fill(element) {
    const at = Number(element.dataset.epochSeconds) * 1000;
    const isToday = day.format(at) === day.format(Date.now());
    const text = isToday ? withMs.format(at) : `${day.format(at)} ${withMs.format(at)}`;
    if (element.textContent === text) return;
    element.textContent = text;
    element.title = full.format(at);
  }

  const time = (at) => hms.format(at * 1000);
  const date = (at) => day.format(at * 1000);

  // A moment, with its day unless that is today.
  const momentText = (at, now = Date.now() / 1000) =>
    date(at) === date(now) ? time(at) : `${date(at)} ${time(at)}`;

  scope.clock = {
    zone,
    zoneName,
    remember,
    format,
    offsetMinutes,
    parse,
    written,
    time,
    date,
    momentText,
    IN_PARTS_FROM_S,
    lengthText,
    lengthKey,
    lengthOf,
    fill,
  };
})();
