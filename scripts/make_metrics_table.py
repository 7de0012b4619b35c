"""Write the table of `docs/metrics.md` from the catalog; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts.marked_sections import write_or_check
from servescope.catalog import BY_NAME, Kind
from servescope.formats.prometheus_names import family_name, label_name

PAGE: Final = Path(__file__).parent.parent / "docs" / "metrics.md"


def table() -> str:
    """A row for each metric of the catalog."""
    rows = [
        "| metric | at `/metrics` | kind, unit | labels | what it tells |",
        "| --- | --- | --- | --- | --- |",
    ]
    for metric in BY_NAME.values():
        scraped = family_name(metric) + ("_total" if metric.kind is Kind.COUNTER else "")
        labels = ", ".join(f"`{label_name(name)}`" for name in metric.labels)
        rows.append(
            f"| `{metric.name}` | `{scraped}` | {metric.kind}, `{metric.unit}` | {labels} "
            f"| {metric.help} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    raise SystemExit(write_or_check(PAGE, {"table": table()}))
