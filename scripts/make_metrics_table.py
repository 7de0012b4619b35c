"""Write the table of `docs/metrics.md` from the catalog; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from servescope.catalog import BY_NAME, Kind
from servescope.formats.prometheus_names import family_name, label_name

PAGE: Final = Path(__file__).parent.parent / "docs" / "metrics.md"
BEGIN: Final = "<!-- table: scripts/make_metrics_table.py -->\n"
END: Final = "<!-- end of table -->\n"


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


def main() -> int:
    """Compare, or write; 1 when the page is not as the catalog says."""
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        print(f"{PAGE} lacks the marks {BEGIN.strip()} and {END.strip()}")
        return 1
    wanted = head + BEGIN + table() + END + tail
    if wanted == page:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{PAGE} is not what the catalog says: run scripts/make_metrics_table.py")
        return 1
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
