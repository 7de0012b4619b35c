"""A load run on a terminal: a line while it goes on, and a summary at its end."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

import numpy as np

from servescope import histogram
from servescope.figures import run_progress, units
from servescope.figures.run_texts import latency, timed_text
from servescope.findings.finding import Severity
from servescope.load.report import LATENCY_NAMES
from servescope.scenarios.rules import RuleResult, RuleState
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.findings.finding import Finding

PLAIN_COLUMNS: Final = 80
MOST_BARS: Final = 12
"""Rows of the plot of latencies, at most; each spans as many buckets as that takes."""

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_BAR_COLUMNS: Final = 40
_PROGRESS_COLUMNS: Final = 20
_FEW_PROGRESS_COLUMNS: Final = 8
_RESET: Final = "\x1b[0m"
_COLOURS: Final = {"good": "\x1b[32m", "warn": "\x1b[33m", "bad": "\x1b[31m", "dim": "\x1b[2m"}
_SEVERITY_COLOURS: Final = {
    Severity.GOOD: "good",
    Severity.WARN: "warn",
    Severity.BAD: "bad",
    Severity.UNKNOWN: "warn",
}
_RULE_COLOURS: Final = {RuleState.PASSING: "good", RuleState.FAILING: "bad"}
_RULE_WORDS: Final = {
    RuleState.PASSING: "passed",
    RuleState.FAILING: "FAILED",
    RuleState.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class Terminal:
    """The abilities of a stream. One that is no terminal gets ASCII, no colour, no line twice."""

    is_terminal: bool = False
    columns: int = PLAIN_COLUMNS
    has_unicode: bool = False
    has_colour: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Terminal:
        """The terminal behind a stream; NO_COLOR and TERM=dumb are heeded (no-color.org)."""
        if not stream.isatty():
            return cls()
        encoding = (stream.encoding or "").lower().replace("-", "")
        has_colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        columns = shutil.get_terminal_size().columns
        return cls(True, columns, encoding == "utf8", has_colour)

    def coloured(self, text: str, colour: str) -> str:
        """The text in a colour where the terminal has them."""
        if not (self.has_colour and colour):
            return text
        return f"{_COLOURS[colour]}{text}{_RESET}"

    def bar(self, share: float, columns: int) -> str:
        """A bar over a share, 0 to 1, of so many columns; something that is not zero shows."""
        if not self.has_unicode:
            return "#" * max(round(share * columns), share > 0)
        eighths = max(round(share * columns * 8), share > 0)
        full, rest = divmod(eighths, 8)
        return "█" * full + _EIGHTHS[rest].strip()


def progress_line(
    progress: Mapping[str, Any], seconds: float, timeout_s: float, terminal: Terminal
) -> str:
    """How far a run is, in one line: bar, time, answers and failures, p99 of the newest seconds.

    After its schedule of `seconds` the requests that it still awaits. Figures that a terminal has
    no room for are left out whole, the last first.
    """
    elapsed = min(float(progress["elapsed_s"]), seconds)
    share = elapsed / seconds if seconds else 1.0
    failed = sum(progress["failed"].values())
    errors = run_progress.server_errors(progress)
    p99 = run_progress.p99(progress, timeout_s)
    parts = [
        (_how_far(progress, elapsed, seconds), ""),
        (f"{progress['answered']:,} answered", ""),
        *([(f"{errors:,} of them 5xx", "bad")] if errors else []),
        (f"{failed:,} failed", "bad" if failed else ""),
        (f"{units.text(progress['answered_per_s'], '{request}/s')}", ""),
    ]
    if p99.seconds is not None:
        parts.append((f"{run_progress.p99_name(progress)}: {p99.text.replace('≥', '>=')}", ""))
    bar_columns = _PROGRESS_COLUMNS

    def columns() -> int:
        return len(f"[{'':{bar_columns}}] " + "  ".join(text for text, _ in parts))

    if terminal.is_terminal and columns() > terminal.columns:
        bar_columns = _FEW_PROGRESS_COLUMNS
        while len(parts) > 1 and columns() > terminal.columns:
            parts.pop()
    bar = terminal.bar(share, bar_columns).ljust(bar_columns)
    return f"[{bar}] " + "  ".join(terminal.coloured(text, colour) for text, colour in parts)


def _how_far(progress: Mapping[str, Any], elapsed: float, seconds: float) -> str:
    if elapsed >= seconds and progress["in_flight"]:
        return f"all {seconds:g} s over, {counted(progress['in_flight'], 'request')} under way"
    return f"{elapsed:.0f} of {seconds:g} s"


def summary(
    result: Mapping[str, Any],
    findings: Sequence[Finding],
    rules: Sequence[RuleResult],
    terminal: Terminal,
) -> str:
    """A result in lines: sentences, counts, percentiles, a plot of the latencies, the rules."""
    lines = [
        terminal.coloured(one.sentence, _SEVERITY_COLOURS.get(one.severity, "")) for one in findings
    ]
    lines += ["", *_counts(result), "", *_latencies(result)]
    lines += ["", *latency_bars(result["histogram"], terminal)]
    if rules:
        lines += ["", *(_rule_line(rule, terminal) for rule in rules)]
    return "\n".join(lines) + "\n"


def latency_bars(counts: Sequence[int], terminal: Terminal) -> list[str]:
    """The distribution of latencies: a row a range, a bar as long as its share of the longest.

    `counts` is a histogram as `servescope.histogram` has them; ranges grow by one factor.
    """
    buckets = np.asarray(counts, dtype=np.int64)
    filled = np.flatnonzero(buckets)
    if not filled.size:
        return ["No latency was measured."]
    first, last = int(filled[0]), int(filled[-1])
    width = -(-(last - first + 1) // MOST_BARS)
    groups = [
        (start, min(start + width, len(buckets)), int(buckets[start : start + width].sum()))
        for start in range(first, last + 1, width)
    ]
    most, total = max(count for _, _, count in groups), int(buckets.sum())
    columns = max(10, min(_BAR_COLUMNS, terminal.columns - 45))
    rows = []
    for start, end, count in groups:
        label = f"{_edge(start - 1):>8} to {_edge(end - 1):>8}"
        bar = terminal.bar(count / most, columns).ljust(columns)
        rows.append(f"{label}  {bar}  {count:>9,}  {units.text(count / total, '1')}")
    return rows


def _counts(result: Mapping[str, Any]) -> list[str]:
    failed = {kind: count for kind, count in result["failed"].items() if count}
    statuses = ", ".join(f"{count:,} x {status}" for status, count in result["statuses"].items())
    kinds = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in failed.items())
    rate, asked = (
        units.text(result[key], "{request}/s") for key in ("rate_achieved", "rate_asked")
    )
    counts = {
        "due": result["sent"],
        "answered": result["answered"],
        "failed": sum(failed.values()),
    }
    lines = [
        "   ".join(f"{name} {count:,}" for name, count in counts.items()),
        f"answered per second {rate} of {asked} asked for",
    ]
    if statuses:
        lines.append(f"answers by status: {statuses}")
    if kinds:
        lines.append(f"failures by kind: {kinds}")
    return lines


def _latencies(result: Mapping[str, Any]) -> list[str]:
    heads, values = [], []
    for field, name in LATENCY_NAMES.items():
        heads.append(f"{name:>9}")
        values.append(latency(result, field).text.replace("≥", ">=").rjust(9))
    of_which = f"latency of {timed_text(result)}, each from the moment it was due"
    return [of_which, " ".join(heads), " ".join(values)]


def _rule_line(rule: RuleResult, terminal: Terminal) -> str:
    word = _RULE_WORDS[rule.state]
    return f"{terminal.coloured(f'{word:>8}', _RULE_COLOURS.get(rule.state, 'warn'))}  {rule.text}"


def _edge(index: int) -> str:
    if index < 0:
        return "0"
    if index >= len(histogram.EDGES):
        return "longer"
    seconds = histogram.EDGES[index]
    return units.text(float(seconds), "s")
