// Draws nodes that the server sends as data: a text, or [tag, attributes, child, …]. Nodes that are
// there already are changed in place, so that the focus stays where it is.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});
  const canHover = window.matchMedia("(hover: hover)");

  function made(node) {
    if (typeof node === "string") return document.createTextNode(node);
    const element = document.createElement(node[0]);
    change(element, node);
    return element;
  }

  const fits = (there, node) =>
    typeof node === "string"
      ? there.nodeType === Node.TEXT_NODE
      : there.nodeType === Node.ELEMENT_NODE && there.localName === node[0];

  function change(element, [, attributes, ...children]) {
    for (const { name } of [...element.attributes]) {
      if (!(name in attributes)) element.removeAttribute(name);
    }
    for (const [name, value] of Object.entries(attributes)) {
      if (element.getAttribute(name) !== value) element.setAttribute(name, value);
    }
    if ("data-epoch-seconds" in attributes) {
      scope.clock.fill(element);
      return;
    }
    draw(element, children);
  }

  function draw(parent, nodes) {
    nodes.forEach((node, index) => {
      const there = parent.childNodes[index];
      if (!there) parent.append(made(node));
      else if (!fits(there, node)) there.replaceWith(made(node));
      else if (typeof node !== "string") change(there, node);
      else if (there.data !== node) there.data = node;
    });
    while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
  }

  // Rows under the pointer, or around the focus, stay where they are, so that a click hits the one it
  // aims at. A tree that holds such rows has in `data-steady` a text for the question it answers: a tree
  // of another question is drawn at once.
  const held = new Map(); // the newest nodes of a place, by its element

  const isAimedAt = (root) =>
    (canHover.matches && root.querySelector("tbody:hover") !== null) ||
    root.querySelector("tbody :focus-visible") !== null;

  function show(place, nodes) {
    const root = place.firstElementChild;
    const question = root?.dataset.steady;
    const isSame = question !== undefined && nodes[0]?.[1]?.["data-steady"] === question;
    if (isSame && isAimedAt(root)) {
      held.set(place, nodes);
      root.dataset.held = "";
      return;
    }
    held.delete(place);
    draw(place, nodes); // which takes `data-held` away
  }

  // Draw what was held and is aimed at no longer.
  function release() {
    for (const [place, nodes] of held) {
      if (place.isConnected) show(place, nodes);
      else held.delete(place);
    }
  }

  document.addEventListener("pointerover", release);
  document.addEventListener("focusin", release);

  // A link to a page of ours does what Dash's own do: the document stays, and so does the view.
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[data-page]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    window.history.pushState({}, "", link.href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  });

  scope.plainHtml = { show };
})();
