// The button that opens a run file asks for the file, sends it, and says what came of it.
(function () {
  "use strict";

  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const MIB = 1024 * 1024;

  const sentence = (text) => {
    const told = text.charAt(0).toUpperCase() + text.slice(1);
    return /[.!?]$/.test(told) ? told : `${told}.`;
  };

  function answer(options, text, isRefused) {
    clientside.set_props(options.answerPlace, {
      children: text,
      className: isRefused ? "answer refused" : "answer",
    });
  }

  async function send(options, file) {
    const most = Number(options.mostBytes);
    if (file.size > most) {
      const told = `The file ${file.name} has more than ${most / MIB} MiB, the most of a run file.`;
      answer(options, told, true);
      return;
    }
    answer(options, `Opening ${file.name} …`);
    try {
      const response = await fetch(options.openRunFile, {
        method: "POST",
        headers: { "Content-Type": options.mediaType },
        body: file,
      });
      const isText = response.headers.get("Content-Type")?.startsWith("text/plain");
      const told = isText ? (await response.text()).trim() : "";
      const status = `the dashboard answered ${response.status} ${response.statusText}`.trim();
      const reason = `The file ${file.name} was not opened: ${status}.`;
      answer(options, told ? sentence(told) : reason, !response.ok);
    } catch {
      const told = `The file ${file.name} was not opened: the dashboard could not be reached.`;
      answer(options, told, true);
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("button");
    const options = button && button.closest("[data-open-run-file]")?.dataset;
    if (!options || button.disabled) return;
    const picker = document.createElement("input");
    picker.type = "file";
    picker.accept = options.suffix;
    picker.addEventListener("change", () => {
      if (picker.files.length) send(options, picker.files[0]);
    });
    picker.click();
  });
})();
