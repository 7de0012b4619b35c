"""The captured parts of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from servescope.capturing.files import CaptureFolder

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext


def captured(context: QueryContext, capture_id: int) -> dict[str, Any] | None:
    """The document of a captured request (`capturing.document`); None when it is not kept.

    Raises CaptureError for a damaged file.
    """
    return CaptureFolder(context.process.settings.data_dir).read(capture_id)
