// The text of a question mark: one element for all of them, in sight by pointer, focus or touch.
(function () {
  "use strict";

  const GAP_PX = 8; // to the mark, and to the edge of the window
  const box = document.createElement("div");
  box.className = "help-text";
  box.popover = "manual";
  box.role = "tooltip";
  document.body.append(box);

  let shown = null; // the mark whose text is in sight

  const markAt = (target) => (target instanceof Element ? target.closest(".help-mark") : null);

  function show(mark) {
    shown = mark;
    box.textContent = mark.dataset.help;
    box.showPopover();
    place();
  }

  function hide() {
    box.hidePopover();
    shown = null;
  }

  function place() {
    if (!shown) return;
    const at = shown.getBoundingClientRect();
    const centred = at.left + (at.width - box.offsetWidth) / 2;
    const rightmost = window.innerWidth - box.offsetWidth - GAP_PX;
    const above = at.top - box.offsetHeight - GAP_PX;
    box.style.left = `${Math.max(GAP_PX, Math.min(centred, rightmost))}px`;
    box.style.top = `${above >= GAP_PX ? above : at.bottom + GAP_PX}px`;
  }

  // The pointer may go on to the text; a text of the focus stays wherever the pointer goes.
  document.addEventListener("pointerover", ({ target }) => {
    const mark = markAt(target);
    if (mark) show(mark);
    else if (shown && document.activeElement !== shown && !box.contains(target)) hide();
  });
  document.addEventListener("focusin", ({ target }) => {
    const mark = markAt(target);
    if (mark) show(mark);
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", place, true);
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") hide();
  });
})();
