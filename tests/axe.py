"""axe-core in a page: what of it people with other senses or hands cannot read or use."""

from __future__ import annotations

import os
from pathlib import Path

VERSION = "4.14.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servescope"
GRAVE = ("critical", "serious")
RUN = f"""options => {{
    const passedOver = axe._audit.rules.filter(
        (rule) => rule.impact && !{[*GRAVE]}.includes(rule.impact));
    const rules = Object.fromEntries(passedOver.map((rule) => [rule.id, {{ enabled: false }}]));
    return axe.run(document, {{ resultTypes: ["violations"], rules, ...options }});
}}"""
"""Runs axe without the rules whose violations are never grave: those are a third of the work."""
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""The rules that judge colours, which differ from scheme to scheme: a third of the work."""


# axe judges the contrast of texts alone, and of no text that is disabled.
_CONTRASTS = """
  const colour = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const luminance = (parts) => {
    const linear = parts.slice(0, 3).map((part) => {
      const one = part / 255;
      return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    for (let at = element.parentElement; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = colour(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
"""
UNSEEN_FIELDS = f"""() => {{{_CONTRASTS}
  const seen = "input:not([type=range]), select, textarea, .mantine-PillsInput-input";
  return [...document.querySelectorAll(seen)]
    .filter((field) => field.checkVisibility() && !field.disabled && field.offsetWidth > 1)
    .map((field) => [field, getComputedStyle(field)])
    .filter(([field, {{ borderTopWidth, borderTopColor }}]) =>
      parseFloat(borderTopWidth) && contrast(colour(borderTopColor), ground(field)) < 3)
    .map(([field, style]) => `${{field.id || field.className}}: ${{style.borderTopColor}}`);
}}"""
UNSEEN_BUTTONS = f"""() => {{{_CONTRASTS}
  const classes = ".mantine-Button-root, .menu-button, .card-action";
  return [...document.querySelectorAll(classes)]
    .filter((button) => button.checkVisibility() && button.matches(":disabled:not([data-loading])"))
    .map((button) => [button, getComputedStyle(button)])
    .filter(([button, {{ borderTopWidth, borderTopColor, color, opacity }}]) =>
      !parseFloat(borderTopWidth)
      || opacity !== "1"
      || contrast(colour(borderTopColor), ground(button)) < 3
      || colour(borderTopColor)[3] === 0
      || contrast(colour(color), ground(button)) < 4.5)
    .map(([button, style]) => `${{button.textContent}}: ${{style.border}}, text ${{style.color}}`);
}}"""
BOXES = f"""() => {{{_CONTRASTS}
  const place = document.querySelector("#page");
  return Object.fromEntries(["", "note", "unknown", "warn", "bad"].map((state) => {{
    const box = document.createElement("div");
    box.className = `verdict ${{state}}`;
    place.append(box);
    const bar = getComputedStyle(box).borderLeftColor;
    const found = [bar, contrast(colour(bar), ground(box))];
    box.remove();
    return [state, found];
  }}));
}}"""


def source():
    """The library's code, where scripts/test has put it."""
    file = CACHE / f"axe-core-{VERSION}.min.js"
    assert file.is_file(), f"{file} is missing: scripts/test gets it"
    return file.read_text()


def grave_violations(page, options=None):
    """Each grave violation with its elements, as lines to read.

    With OF_COLOURS of the rules about colours alone: for a page that has passed all in the other
    scheme, and has not changed since.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source())
    return [
        f"{found['impact']} {found['id']}: {' '.join(map(str, node['target']))}"
        f" {node['html'][:120]} {node['failureSummary']}"
        for found in page.evaluate(RUN, options or {})["violations"]
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]


def unseen_fields(page):
    """Each field whose border stands out less than 3:1 (WCAG 2, 1.4.11), with its colour."""
    return [f"border of a field: {line}" for line in page.evaluate(UNSEEN_FIELDS)]


def unseen_buttons(page):
    """Each disabled button that has no border of 3:1, or a text below 4.5:1.

    WCAG 2 asks nothing of them, but a person who cannot see one cannot ask why it is disabled.
    """
    return [f"a disabled button: {line}" for line in page.evaluate(UNSEEN_BUTTONS)]


def colours_of_boxes(page):
    """Colour of the bar beside findings and its contrast with the page, by state; "" is good."""
    return page.evaluate(BOXES)
