// Buttons that copy a text: `data-copy` names the element that holds it.
(function () {
  "use strict";

  const SHOWN_MS = 2000;

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent); // only on HTTPS and at localhost
      button.textContent = "Copied";
    } catch {
      select(source);
      button.textContent = "Selected: copy it";
    }
    setTimeout(() => (button.textContent = before), SHOWN_MS);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button && button.textContent.startsWith("Copy")) copy(button);
  });
})();
