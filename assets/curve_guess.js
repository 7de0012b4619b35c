// A curve that a person draws: an upright slider for each place, moved by keys or by drawing.
(function () {
  "use strict";

  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const STEPS = 200; // of the height: finer than a finger draws

  function slider(place, { most, unit }) {
    const column = document.createElement("label");
    const range = document.createElement("input");
    const value = document.createElement("output");
    const name = document.createElement("span");
    Object.assign(range, { type: "range", min: 0, max: most, step: most / STEPS, value: 0 });
    range.setAttribute("aria-label", `At ${place}, ${unit}`);
    value.textContent = "–";
    name.textContent = place;
    column.append(value, range, name);
    return column;
  }

  const number = (value) => Number(Number(value).toPrecision(3)).toLocaleString("en");

  // The guess is whole, and can be committed to, once something was drawn.
  function commit(root, field) {
    const ranges = [...root.querySelectorAll("input")];
    for (const range of ranges) range.parentElement.querySelector("output").textContent = number(range.value);
    clientside.set_props(field, { value: JSON.stringify(ranges.map((one) => Number(one.value))) });
  }

  // The column below the pointer takes the pointer's height: its slider's own way is no drawing.
  function draw(root, event) {
    for (const column of root.children) {
      const range = column.querySelector("input");
      const box = range.getBoundingClientRect();
      const around = column.getBoundingClientRect();
      if (event.clientX < around.left || event.clientX >= around.right) continue;
      const share = Math.min(1, Math.max(0, (box.bottom - event.clientY) / box.height));
      range.value = share * range.max;
    }
  }

  clientside.curveGuess = {
    build(id) {
      const root = document.getElementById(id);
      const curve = JSON.parse(root.dataset.curve);
      root.replaceChildren(...curve.places.map((place) => slider(place, curve)));
      let isDrawing = false;
      root.addEventListener("input", () => commit(root, curve.field));
      root.addEventListener("pointerdown", (event) => {
        isDrawing = true;
        root.setPointerCapture(event.pointerId);
        event.preventDefault();
        draw(root, event);
        commit(root, curve.field);
      });
      root.addEventListener("pointermove", (event) => {
        if (!isDrawing) return;
        draw(root, event);
        commit(root, curve.field);
      });
      for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, () => (isDrawing = false));
      return clientside.no_update;
    },
  };
})();
