"""The bounds of a scenario; the form and docs/load.md show them."""

from __future__ import annotations

from typing import Final

from servescope.errors import LoadRefusedError

MAX_REQUESTS: Final = 3_000_000
"""Most requests of one run: the generator keeps every latency, 32 bytes a request in all."""

MAX_CONNECTIONS: Final = 4_096
MAX_TIMEOUT_SECONDS: Final = 60.0
MAX_THINK_SECONDS: Final = 600.0
MAX_RATES: Final = 100
"""Most steps of the schedule `steps`."""

MIN_FACTOR: Final = 0.5
MAX_FACTOR: Final = 4.0
MAX_FLOWS: Final = 50
MAX_STEPS: Final = 20
"""Most steps of a flow."""

MAX_WEIGHT: Final = 1_000_000.0
MAX_HEADERS: Final = 50
MAX_CARRIED: Final = 10
MAX_MESSAGES: Final = 100
MAX_BODY_BYTES: Final = 262_144
"""Of a body or a message as it is written, its placeholders unfilled."""

MAX_DATA_ROWS: Final = 10_000
MAX_TEXT_BYTES: Final = 1_048_576
"""Most bytes of targets, header fields, bodies, messages and data together: the store keeps them
with each run."""

MAX_SENT_BYTES: Final = 10_000_000_000
"""Most bytes of bodies and messages that a run sends."""

MAX_NAME: Final = 100
"""Most characters of the name of a scenario, a step or a carried value."""

MAX_SEED: Final = 2**63 - 1


def check_range(what: str, value: float, most: float, unit: str = "") -> None:
    """Raise LoadRefusedError unless the value is above 0 and at most `most`; NaN is not."""
    if not 0 < value <= most:
        raise LoadRefusedError(
            f"{what} is above 0 and at most {most:,.10g}{unit and f' {unit}'}, not {value:,.10g}"
        )


def check_from_zero(what: str, value: float, most: float, unit: str) -> None:
    """The same where 0 is allowed."""
    if not 0 <= value <= most:
        raise LoadRefusedError(f"{what} is between 0 and {most:,.10g} {unit}, not {value:,.10g}")


def check_count(what: str, count: int, least: int, most: int) -> None:
    """Raise LoadRefusedError unless the count is within its bounds."""
    if not least <= count <= most:
        raise LoadRefusedError(f"{what} is between {least:,} and {most:,}, not {count:,}")


def check_name(what: str, name: str) -> None:
    """Raise LoadRefusedError for a name that is too long, or has what no page can show."""
    if len(name) > MAX_NAME or not name.isprintable():
        raise LoadRefusedError(
            f"{what} has at most {MAX_NAME} characters, all of them printable, unlike {name[:40]!r}"
        )
