// Draws nodes that the server sends as data: a text, or [tag, attributes, child, …]. What is there
// already is changed in place, so that the focus stays where it is.
(function () {
  "use strict";

  const scope = (window.servescope = window.servescope || {});

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

  // A link to a page of ours does what Dash's own do: the document stays, and so does the view.
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[data-page]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    window.history.pushState({}, "", link.href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  });

  scope.plainHtml = { draw };
})();
