"""The result of a load run as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from servescope.queries.run_figures import result_figures

if TYPE_CHECKING:
    from servescope.run_files.document import RunDocument


def result_csv(document: RunDocument) -> str:
    """CSV (RFC 4180) of `figure,value,unit`, a row a figure; an empty value was not measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("figure", "value", "unit"))
    for one in result_figures(document.run):
        writer.writerow((one.name, "" if one.value is None else repr(one.value), one.unit))
    return text.getvalue()


def result_json(document: RunDocument) -> str:
    """`run.json` of a run file, with the counts of the histogram in the result."""
    values = document.to_json()
    if "histogram" in document.run.result:
        values["run"]["result"]["histogram"] = document.run.result["histogram"]
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"
