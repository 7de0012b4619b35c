"""axe-core in a page: what of it people with other senses or hands cannot read or use."""

from __future__ import annotations

import os
from pathlib import Path

VERSION = "4.14.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servescope"
GRAVE = ("critical", "serious")
RUN = "() => axe.run(document, {resultTypes: ['violations']})"


# axe judges the contrast of texts alone.
UNSEEN_FIELDS = """() => {
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
  const seen = "input:not([type=range]), select, textarea, .mantine-PillsInput-input";
  return [...document.querySelectorAll(seen)]
    .filter((field) => field.checkVisibility() && !field.disabled && field.offsetWidth > 1)
    .filter((field) => {
      const { borderTopWidth, borderTopColor } = getComputedStyle(field);
      return parseFloat(borderTopWidth) && contrast(colour(borderTopColor), ground(field)) < 3;
    })
    .map((field) => `${field.id || field.className}: ${getComputedStyle(field).borderTopColor}`);
}"""


def source():
    """The library's code, where scripts/test has put it."""
    file = CACHE / f"axe-core-{VERSION}.min.js"
    assert file.is_file(), f"{file} is missing: scripts/test gets it"
    return file.read_text()


def grave_violations(page):
    """Each grave violation with its elements, as lines to read."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source())
    return [
        f"{found['impact']} {found['id']}: {' '.join(map(str, node['target']))}"
        f" {node['html'][:120]} {node['failureSummary']}"
        for found in page.evaluate(RUN)["violations"]
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]


def unseen_fields(page):
    """Each field whose border stands out less than 3:1 (WCAG 2, 1.4.11), with its colour."""
    return [f"border of a field: {line}" for line in page.evaluate(UNSEEN_FIELDS)]
