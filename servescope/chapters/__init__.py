"""The chapters of the page Learn, in their order.

To add one, write a module with a `CHAPTER` and name it here: see docs/chapters.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.chapters import (
    accept_queue,
    deploy,
    frameworks,
    more_than_one_request,
    ports,
    queues_and_load,
    request_and_answer,
    state_and_safety,
    static_files,
    web_server,
    wsgi,
    wsgi_beside_asgi,
)

if TYPE_CHECKING:
    from servescope.chapters.chapter import Chapter

CHAPTERS: Final[tuple[Chapter, ...]] = (
    # By number; one line each.
    web_server.CHAPTER,
    accept_queue.CHAPTER,
    ports.CHAPTER,
    request_and_answer.CHAPTER,
    static_files.CHAPTER,
    wsgi.CHAPTER,
    frameworks.CHAPTER,
    more_than_one_request.CHAPTER,
    wsgi_beside_asgi.CHAPTER,
    queues_and_load.CHAPTER,
    state_and_safety.CHAPTER,
    deploy.CHAPTER,
)


def chapter_of(name: str) -> Chapter | None:
    """The chapter of this name; None when there is none."""
    return next((one for one in CHAPTERS if one.name == name), None)
