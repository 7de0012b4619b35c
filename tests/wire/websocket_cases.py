"""Frames a client may send and what must come of them: for `wire/`, and over a real socket.

`EXCHANGES`: bytes, agreement on permessage-deflate, events. `FAULTS`: bytes, code of our Close.
"""

from __future__ import annotations

import zlib

from servescope.wire.websocket import (
    BytesReceived,
    CloseReceived,
    PingReceived,
    PongReceived,
    TextReceived,
)
from servescope.wire.websocket_handshake import Deflate

MAX_MESSAGE = 1_000
"""Bound under which FAULTS holds."""

MASK = b"\x01\x02\x03\x04"
AGREED = Deflate(False, False, 12, 12)
ALONE = Deflate(True, True, 10, 10)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A masked frame as a client sends it (RFC 6455 section 5.2)."""
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2)
    else:
        length = b"\xff" + size.to_bytes(8)
    masked = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
    return first + length + MASK + masked


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-10)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def deflated_in_a_row(messages: list[bytes]) -> list[bytes]:
    """Messages that refer back to the ones before (RFC 7692 section 7.1.1)."""
    packer = zlib.compressobj(wbits=-10)
    return [
        (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4] for message in messages
    ]


def deflated_to_an_end(data: bytes, *, behind: bytes = b"\x00") -> bytes:
    """With BFINAL set in its last block, and the head of an empty block behind that.

    RFC 7692 section 7.2.3.4.
    """
    packer = zlib.compressobj(wbits=-10)
    return packer.compress(data) + packer.flush(zlib.Z_FINISH) + behind


HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")
"""The example of RFC 7692 section 7.2.3.1."""

EXCHANGES = {
    "text": (frame(1, "hé".encode()), None, [TextReceived("hé")]),
    "empty": (frame(1) + frame(2), None, [TextReceived(""), BytesReceived(b"")]),
    "binary": (frame(2, b"\x00" * 300), None, [BytesReceived(b"\x00" * 300)]),
    "large": (frame(2, b"x" * 70_000), None, [BytesReceived(b"x" * 70_000)]),
    "fragments": (
        frame(1, b"a\xc3", fin=False) + frame(0, b"\xa9", fin=False) + frame(0),
        None,
        [TextReceived("aé")],
    ),
    "ping between fragments": (
        frame(2, b"a", fin=False) + frame(9, b"p") + frame(0, b"b"),
        None,
        [PingReceived(b"p"), BytesReceived(b"ab")],
    ),
    "pong": (frame(10, b"q"), None, [PongReceived(b"q")]),
    "close": (frame(8, b"\x03\xe8bye"), None, [CloseReceived(1000, "bye")]),
    "close without a code": (frame(8), None, [CloseReceived(1005, "")]),
    "close by the application": (frame(8, b"\x0f\xa1"), None, [CloseReceived(4001, "")]),
    "deflated": (frame(1, deflated(b"a" * 999), rsv=4), ALONE, [TextReceived("a" * 999)]),
    "plain though agreed": (frame(1, b"abc"), AGREED, [TextReceived("abc")]),
    "deflated fragments around a ping": (
        frame(1, deflated(b"ab" * 99)[:5], fin=False, rsv=4)
        + frame(9)
        + frame(0, deflated(b"ab" * 99)[5:]),
        ALONE,
        [PingReceived(b""), TextReceived("ab" * 99)],
    ),
    "lengths at their forms' edges": (
        b"".join(frame(2, b"e" * size) for size in (125, 126, 65_535, 65_536)),
        None,
        [BytesReceived(b"e" * size) for size in (125, 126, 65_535, 65_536)],
    ),
    "the longest ping": (frame(9, b"p" * 125), None, [PingReceived(b"p" * 125)]),
    "ping without payload": (frame(9), None, [PingReceived(b"")]),
    "pong between fragments": (
        frame(1, b"a", fin=False) + frame(10, b"q") + frame(0, b"b"),
        None,
        [PongReceived(b"q"), TextReceived("ab")],
    ),
    "many fragments": (
        frame(1, b"0", fin=False) + frame(0, b"1", fin=False) * 50 + frame(0, b"2"),
        None,
        [TextReceived("0" + "1" * 50 + "2")],
    ),
    "fragments of which some are empty": (
        frame(2, fin=False) + frame(0, b"x", fin=False) + frame(0, fin=False) + frame(0),
        None,
        [BytesReceived(b"x")],
    ),
    "text with NUL and characters of four bytes": (
        frame(1, "\0\U0001f600\ufeff".encode()),
        None,
        [TextReceived("\0\U0001f600\ufeff")],
    ),
    "a character over three fragments": (
        frame(1, b"\xf0", fin=False) + frame(0, b"\x9f\x98", fin=False) + frame(0, b"\x80"),
        None,
        [TextReceived("\U0001f600")],
    ),
    "deflated, and nothing in it": (frame(1, deflated(b""), rsv=4), ALONE, [TextReceived("")]),
    "deflated over a shared context": (
        b"".join(frame(1, part, rsv=4) for part in deflated_in_a_row([b"same" * 50] * 3)),
        AGREED,
        [TextReceived("same" * 50)] * 3,
    ),
    "deflated and plain by turns": (
        frame(1, deflated(b"x" * 300), rsv=4) + frame(1, b"y") + frame(2, deflated(b"z"), rsv=4),
        ALONE,
        [TextReceived("x" * 300), TextReceived("y"), BytesReceived(b"z")],
    ),
    "deflated, the example": (frame(1, HELLO, rsv=4), AGREED, [TextReceived("Hello")]),
    "deflated in two fragments, the example": (
        frame(1, HELLO[:3], fin=False, rsv=4) + frame(0, HELLO[3:]),
        AGREED,
        [TextReceived("Hello")],
    ),
    "deflated over a shared context, the example": (
        frame(1, HELLO, rsv=4) + frame(1, bytes.fromhex("f2 00 11 00 00"), rsv=4),
        AGREED,
        [TextReceived("Hello")] * 2,
    ),
    "deflated without compression, the example": (
        frame(1, bytes.fromhex("00 05 00 fa ff 48 65 6c 6c 6f 00"), rsv=4),
        AGREED,
        [TextReceived("Hello")],
    ),
    "deflated with BFINAL, the example": (
        frame(1, bytes.fromhex("f3 48 cd c9 c9 07 00 00"), rsv=4),
        AGREED,
        [TextReceived("Hello")],
    ),
    "deflated in two blocks, the example": (
        frame(1, bytes.fromhex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"), rsv=4),
        AGREED,
        [TextReceived("Hello")],
    ),
    "deflated with BFINAL, then others": (
        frame(1, deflated_to_an_end(b"a" * 300), rsv=4)
        + frame(1, deflated_to_an_end(b"b"), rsv=4)
        + frame(1, b"plain")
        + frame(2, deflated(b"c" * 300), rsv=4),
        AGREED,
        [
            TextReceived("a" * 300),
            TextReceived("b"),
            TextReceived("plain"),
            BytesReceived(b"c" * 300),
        ],
    ),
    "deflated with BFINAL and nothing behind": (
        frame(1, deflated_to_an_end(b"a", behind=b""), rsv=4) * 2 + frame(1, HELLO, rsv=4),
        AGREED,
        [TextReceived("a"), TextReceived("a"), TextReceived("Hello")],
    ),
    "deflated with BFINAL in the middle": (
        frame(1, deflated_to_an_end(b"a", behind=b"") + deflated(b"b" * 300), rsv=4)
        + frame(1, HELLO, rsv=4),
        AGREED,
        [TextReceived("a" + "b" * 300), TextReceived("Hello")],
    ),
    "deflated with BFINAL in each fragment": (
        frame(1, deflated_to_an_end(b"a", behind=b""), fin=False, rsv=4)
        + frame(0, deflated_to_an_end(b"b")),
        ALONE,
        [TextReceived("ab")],
    ),
    "deflated, of no byte at all": (
        frame(1, b"", rsv=4) + frame(1, HELLO, rsv=4),
        AGREED,
        [TextReceived(""), TextReceived("Hello")],
    ),
    "deflated with an empty last fragment": (
        frame(1, HELLO, fin=False, rsv=4) + frame(0, b"") + frame(1, HELLO, rsv=4),
        AGREED,
        [TextReceived("Hello"), TextReceived("Hello")],
    ),
    "close with the longest reason": (
        frame(8, b"\x03\xe8" + b"r" * 123),
        None,
        [CloseReceived(1000, "r" * 123)],
    ),
    "close with a registered code": (frame(8, b"\x0b\xb8"), None, [CloseReceived(3000, "")]),
    "close behind a message": (
        frame(1, b"last") + frame(8, b"\x03\xe9"),
        None,
        [TextReceived("last"), CloseReceived(1001, "")],
    ),
}

FAULTS = {
    "unmasked": (b"\x81\x01a", 1002),
    "unknown opcode": (frame(3), 1002),
    "reserved bit": (frame(1, b"a", rsv=2), 1002),
    "deflated without agreement": (frame(1, b"a", rsv=4), 1002),
    "fragmented ping": (frame(9, fin=False), 1002),
    "long ping": (frame(9, b"x" * 126), 1002),
    "continuation of nothing": (frame(0, b"a"), 1002),
    "message inside a message": (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
    "length with a spare byte": (b"\x81\xfe\x00\x01" + MASK + b"a", 1002),
    "no UTF-8": (frame(1, b"\xff"), 1007),
    "half a character": (frame(1, b"\xc3"), 1007),
    "too large": (frame(2, b"x" * 1001), 1009),
    "too large in parts": (frame(2, b"x" * 600, fin=False) + frame(0, b"x" * 401), 1009),
    "close with one byte": (frame(8, b"\x03"), 1002),
    "close with a code that is never sent": (frame(8, b"\x03\xed"), 1002),
    "close with a reserved code": (frame(8, b"\x03\xec"), 1002),
    "close with a code out of range": (frame(8, b"\x00\x01"), 1002),
    "close whose reason is no UTF-8": (frame(8, b"\x03\xe8\xff"), 1007),
    "unmasked close": (b"\x88\x02\x03\xe8", 1002),
    "unknown control opcode": (frame(11), 1002),
    "third reserved bit": (frame(1, b"a", rsv=1), 1002),
    "deflated ping": (frame(9, b"a", rsv=4), 1002),
    "deflated continuation": (frame(1, b"a", fin=False) + frame(0, b"b", rsv=4), 1002),
    "fragmented pong": (frame(10, fin=False), 1002),
    "fragmented close": (frame(8, b"\x03\xe8", fin=False), 1002),
    "long close": (frame(8, b"\x03\xe8" + b"r" * 124), 1002),
    "long length for a short message": (b"\x82\xff" + (300).to_bytes(8) + MASK, 1002),
    "negative length": (b"\x82\xff\x80" + bytes(7) + MASK, 1002),
    "continuation behind a whole message": (frame(1, b"a") + frame(0, b"b"), 1002),
    "overlong UTF-8": (frame(1, b"\xc0\xaf"), 1007),
    "surrogate in UTF-8": (frame(1, b"\xed\xa0\x80"), 1007),
    "beyond Unicode": (frame(1, b"\xf4\x90\x80\x80"), 1007),
    "no UTF-8 in the second fragment": (frame(1, b"a", fin=False) + frame(0, b"\xff"), 1007),
    "half a character at the end of fragments": (
        frame(1, b"\xf0\x9f", fin=False) + frame(0, b"\x98"),
        1007,
    ),
    "too large, told by its length alone": (b"\x82\xfe\x03\xe9" + MASK, 1009),
    "much too large": (b"\x82\xff" + (2**40).to_bytes(8) + MASK, 1009),
    **{
        f"close with code {code}": (frame(8, code.to_bytes(2)), 1002)
        for code in (0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65_535)
    },
}
