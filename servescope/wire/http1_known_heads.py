"""Request heads that came before: a client on a kept connection sends the same bytes again.

The meaning of a head depends on its bytes and the limits alone, so a head that was judged once is
not judged again while it is remembered. Two levels: whole heads, for the same request once more;
and the field lines behind the request line, for the same client asking for something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servescope.wire.http1_events import RequestHead
    from servescope.wire.http1_rules import Fields

LONGEST_KNOWN: Final = 2_048
"""Bytes of the longest head worth remembering; browsers send 500 to 1,000."""

MOST_KNOWN: Final = 256
"""Heads, and blocks of field lines, remembered at most: about 2 MiB of parsed heads."""

FieldBlock = tuple[tuple[tuple[bytes, bytes], ...], "Fields"]
"""The fields of a head, and what they say about the message."""


class KnownHeads:
    """Shared by the connections of one listener, whose limits it was made under.

    Any thread may use it: each step on a dict is atomic, and to forget too much costs time only.
    `find`, `find_whole` and `find_block` give None for what is not remembered. `find_whole` knows
    heads that are a whole request, without a body, of a connection that is kept.
    """

    __slots__ = ("_blocks", "_heads", "_whole", "find", "find_block", "find_whole")

    def __init__(self) -> None:
        self._heads: dict[bytes, RequestHead] = {}
        self._whole: dict[bytes, RequestHead] = {}
        self._blocks: dict[tuple[int, bytes], FieldBlock] = {}
        self.find = self._heads.get
        self.find_whole = self._whole.get
        self.find_block = self._blocks.get

    def keep(self, raw: bytes, head: RequestHead) -> None:
        """Remember a valid head by its bytes."""
        if len(raw) <= LONGEST_KNOWN:
            if len(self._heads) >= MOST_KNOWN:
                self._heads.clear()
                self._whole.clear()
            self._heads[raw] = head
            if head.keep_alive and not head.has_body:
                self._whole[raw] = head

    def keep_block(self, minor_version: int, raw: bytes, block: FieldBlock) -> None:
        """Remember the field lines of a valid head by HTTP/1.x's x and their bytes."""
        if len(raw) <= LONGEST_KNOWN:
            if len(self._blocks) >= MOST_KNOWN:
                self._blocks.clear()
            self._blocks[minor_version, raw] = block
