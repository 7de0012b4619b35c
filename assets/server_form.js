// The form that changes a listener keeps what a person typed, for each listener, until it is
// applied or reverted: polls and other people's changes go into the fields that were left alone.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const CHOSEN = "server-chosen";
  const VALUES = "server-values"; // JSON: what is so, as the last poll says
  const SWITCH = "server-log"; // has `checked`, the other fields `value`
  const LISTS = new Set(["server-deny", "server-allow"]);
  const ANSWER_FIRST_MS = 3000;
  const UNIT = { one: "change", more: "changes" };

  const typed = new Map(); // listener -> Map of field -> value; outlives the page's layout
  const settled = new Map(); // listener -> what is so: {revision, values, isAnswer}
  const filled = new Map(); // field -> values put into it here of which Dash has told nothing yet, oldest first
  let shownListener = null;

  const property = (field) => (field === SWITCH ? "checked" : "value");
  const label = (field) => (field === SWITCH ? "access log" : field.replace("server-", ""));

  function plain(field, value) {
    const text = String(value ?? "").trim();
    return LISTS.has(field) ? text.split(/[\s,]+/).filter(Boolean).join(",") : text;
  }

  const isSame = (field, one, other) => plain(field, one) === plain(field, other);

  // For a moment after the answer to a button, that of a poll may be an older one. Revisions alone
  // do not tell: those of a listener that comes anew under its name begin at 0.
  function isOutdated(news, known) {
    return known?.isAnswer && news.revision < known.revision;
  }

  function learnAll(values) {
    for (const name of settled.keys()) if (!(name in values)) settled.delete(name);
    for (const [name, news] of Object.entries(values)) {
      if (!isOutdated(news, settled.get(name))) settled.set(name, news);
    }
  }

  function learnAnswer(news) {
    const known = { ...news, isAnswer: true };
    settled.set(news.listener, known);
    typed.delete(news.listener);
    window.setTimeout(() => {
      known.isAnswer = false;
      lookAgain();
    }, ANSWER_FIRST_MS);
  }

  // Judge the values of the last poll again: they may hold after all, and Dash reports no poll that
  // equals the last one, as the first one does after a change that was taken back meanwhile.
  function lookAgain() {
    const values = document.getElementById(VALUES);
    if (values) clientside.set_props(VALUES, { children: `${values.textContent} ` });
  }

  function note(listener, field, value) {
    const own = typed.get(listener) || new Map();
    if (isSame(field, value, settled.get(listener)?.values[field])) own.delete(field);
    else own.set(field, value);
    if (own.size) typed.set(listener, own);
    else typed.delete(listener);
  }

  // Dash tells of a value that `fill` has put into a field as of one that a person typed, maybe when
  // a poll has brought another one.
  function isFilled(field, value) {
    const values = filled.get(field) || [];
    const index = values.findIndex((own) => isSame(field, own, value));
    if (index < 0) return false;
    values.splice(0, index + 1);
    return true;
  }

  function forgetErrors(fields) {
    scope.forms.forget(scope.forms.formOf(document.getElementById(CHOSEN)), fields);
    clientside.set_props("server-use-port", { display: "none" });
  }

  function fill(listener, fields, shown) {
    const { values } = settled.get(listener);
    fields.forEach((field, index) => {
      const own = typed.get(listener);
      const wanted = own?.has(field) ? own.get(field) : values[field];
      if (!isSame(field, wanted, shown[index])) {
        filled.set(field, [...(filled.get(field) || []), wanted]);
        clientside.set_props(field, { [property(field)]: wanted });
      }
    });
  }

  function counted(listener) {
    const own = typed.get(listener);
    if (!own) return "";
    const names = [...own.keys()].map(label).join(", ");
    return `${own.size} ${own.size === 1 ? UNIT.one : UNIT.more} not applied to ${listener}: ${names}`;
  }

  clientside.servers = {
    // The inputs: JSON of all listeners, a store of one, the chosen listener, Revert, then the fields. The answer: what was
    // typed and is not applied.
    edit(values, news, listener, _revert, ...shown) {
      const { inputs_list: inputs, triggered } = clientside.callback_context;
      const fields = inputs.slice(-shown.length).map((input) => input.id);
      const causes = new Set(triggered.map((cause) => cause.prop_id.split(".")[0]));
      learnAll(JSON.parse(values));
      if (causes.has("server-settled") && news) learnAnswer(news);
      if (!settled.has(listener)) {
        const first = settled.keys().next().value;
        if (first) clientside.set_props(CHOSEN, { value: first });
        return "";
      }
      const edited = fields.filter((field, index) => causes.has(field) && !isFilled(field, shown[index]));
      const isOther = listener !== shownListener;
      if (isOther || causes.has("server-revert")) {
        if (!isOther) typed.delete(listener);
        forgetErrors(fields);
        shownListener = listener;
      } else if (edited.length) {
        for (const field of edited) note(listener, field, shown[fields.indexOf(field)]);
        forgetErrors(edited);
      }
      fill(listener, fields, shown);
      clientside.set_props("server-revert", { disabled: !typed.has(listener) });
      return [listener, ...[...typed.keys()].filter((name) => name !== listener)]
        .map(counted)
        .filter(Boolean)
        .join("; ");
    },
  };

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-action]");
    if (!button || button.disabled) return;
    const { action, listener } = button.dataset;
    if (action !== "choose") {
      clientside.set_props("server-asked", { data: { action, listener } });
      return;
    }
    clientside.set_props(CHOSEN, { value: listener });
    document.getElementById("server-form")?.scrollIntoView({ block: "center" });
    document.getElementById("server-port")?.focus({ preventScroll: true });
  });
})();
