// Forms: Enter presses the main button, Escape the one that reverts, an edit ends a refusal, and the
// end of load what was said of it.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const OPEN = "[data-expanded], [aria-expanded=true]"; // its list is open: the key is for that
  const CHOSEN = "[type=radio], [type=checkbox]"; // these tell Dash at once
  const WAIT_MS = 4;
  const TRIES = 250; // a second: a field that shows its value in another form is not waited for

  const formOf = (element) => element?.closest?.("[data-answer]");

  function press(id) {
    const button = id && document.getElementById(id);
    if (!button || button.matches(":disabled") || !button.checkVisibility()) return false;
    button.click();
    return true;
  }

  // A field's component tells Dash what was typed by a timer of its own (useDebouncedValue of
  // Mantine), so a button that is pressed at once would act on the text of before.
  let edited = null; // the last field in which somebody typed
  const plain = (value) => String(value ?? "").replaceAll(",", "").trim();

  function isTold(field) {
    const component = window.dash_component_api.getLayout(field.id);
    if (!component) return true;
    const known = plain(component.props.value);
    const shown = plain(field.value);
    return known === shown || (shown !== "" && Number(known) === Number(shown));
  }

  function whenTold(field, act, tries = TRIES) {
    if (!tries || isTold(field)) act();
    else setTimeout(whenTold, WAIT_MS, field, act, tries - 1);
  }

  document.addEventListener(
    "input",
    (event) => {
      if (!event.target.matches(CHOSEN)) edited = event.target;
    },
    true,
  );
  document.addEventListener(
    "click",
    (event) => {
      const field = edited;
      const id = field?.id && formOf(field)?.dataset.enter;
      if (!id || !event.target.closest?.(`#${CSS.escape(id)}`)) return;
      edited = null;
      if (isTold(field)) return;
      event.stopImmediatePropagation();
      event.preventDefault();
      whenTold(field, () => press(id));
    },
    true,
  );

  // Before React: an open list closes with the same key, and would look closed after that.
  document.addEventListener(
    "keydown",
    (event) => {
      const form = event.target instanceof HTMLInputElement && formOf(event.target);
      if (!form || event.isComposing || event.repeat || event.ctrlKey || event.metaKey) return;
      const isOpen = event.target.matches(OPEN);
      if (event.key === "Escape" && !isOpen) press(form.dataset.escape);
      // Enter opens a field that is only chosen in: whoever wants another schedule starts no run.
      if (event.key !== "Enter" || event.target.readOnly) return;
      const isChoice = isOpen && event.target.hasAttribute("aria-activedescendant");
      if (!isChoice && press(form.dataset.enter)) event.preventDefault();
    },
    true,
  );

  // The refusal of an answer, and the errors beside fields.
  function forget(form, fields) {
    for (const id of fields) clientside.set_props(id, { error: "" });
    const answer = form && document.getElementById(form.dataset.answer);
    if (answer?.classList.contains("refused")) clientside.set_props(answer.id, { children: "" });
  }

  clientside.forms = {
    mend() {
      const { inputs_list: inputs, triggered } = clientside.callback_context;
      const edited = triggered.map((one) => one.prop_id.split(".")[0]);
      // A group of boxes has no element of its name.
      const shown = inputs.map((one) => document.getElementById(one.id)).find(Boolean);
      if (edited.length) forget(formOf(shown), edited);
    },

    over(strip) {
      if (strip?.display !== "none") return;
      for (const { id } of document.querySelectorAll(".answer.of-load:not(:empty)")) {
        clientside.set_props(id, { children: "" });
      }
    },
  };
  scope.forms = { forget, formOf };
})();
