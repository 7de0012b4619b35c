"""The steps of requests that were sent one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from servescope.chapters.chapter import Step
from servescope.experiments.transcript import with_line_ends

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def exchange_steps(exchanges: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Each request, and the response to it; of a long content the first characters.

    `exchanges` are those of `experiments.requests_in_turn`.
    """
    steps, at_ms = [], 0.0
    for one in exchanges:
        steps.append(Step(at_ms, "client", "The request", with_line_ends(one["sent"])))
        at_ms += one["took_ms"]
        shown = one["content"]
        is_cut = shown and one["content_bytes"] > len(shown.encode())
        told = f"The response: a head, and {one['content_bytes']:,} bytes of content"
        data = with_line_ends(one["head"] + shown) + ("…" if is_cut else "")
        if one["content_bytes"] and not shown:
            data += "[The content is no text, and is not shown]"
        steps.append(Step(at_ms, "server", told, data))
    return tuple(steps)
