// Times as a person reads and writes them, in the time zone chosen in this browser: its own or UTC.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const KEY = "servescope-time-zone";
  const MINUTE_MS = 60000;
  const DAY_S = 86400;
  const UNITS_S = { s: 1, m: 60, h: 3600, d: DAY_S, w: 7 * DAY_S, y: 365 * DAY_S };
  const AGO = /^now((?:\s*-\s*(?:\d+[smhdwy])+)?)$/;
  const PARTS = /(\d+)([smhdwy])/g;
  const DATE = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[t ]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?\s*(z|utc)?$/;
  const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/;
  const EPOCH = /^\d{9,10}$/;
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

  // A written time as {ago} in seconds, {at} in epoch seconds or {start: true}; null for no time.
  function parse(written, now) {
    const text = written.trim().toLowerCase();
    if (text === "start") return { start: true };
    const ago = AGO.exec(text);
    if (ago) {
      let sum = 0;
      for (const [, count, unit] of ago[1].matchAll(PARTS)) sum += Number(count) * UNITS_S[unit];
      return { ago: sum };
    }
    if (EPOCH.test(text)) return { at: Number(text) };
    const date = DATE.exec(text);
    const clock = CLOCK.exec(text);
    let at = null;
    if (date) at = second(...date.slice(1, 7).map((part) => part || 0), isUtc || Boolean(date[7]));
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

  function lengthText(seconds) {
    if (seconds < 120) return `${seconds} s`;
    if (seconds < 7200) return `${Math.round(seconds / 6) / 10} min`;
    if (seconds < 172800) return `${Math.round(seconds / 360) / 10} h`;
    return `${Math.round(seconds / DAY_S)} d`;
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
    lengthText,
    lengthKey,
    lengthOf,
    fill,
  };
})();
