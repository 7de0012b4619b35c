"""Make the generated files of the bundled site: `python scripts/make_site [FOLDER]`.

FOLDER defaults to `servescope/demo/site`. The rest of the site (HTML, CSS, JavaScript, JSON, text
and the other drawings) is written by hand and lies there. The results are committed, because the
site is served as it stands; the same input gives the same bytes, and a test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import article
import curve
import icon
import queue_animation

SITE = Path(__file__).resolve().parents[2] / "servescope" / "demo" / "site"
PRIMES_BELOW = 200_000


def primes_text() -> bytes:
    """The primes below `PRIMES_BELOW`, ten a line: a file that takes more than one write."""
    sieve = bytearray([1]) * PRIMES_BELOW
    sieve[:2] = b"\0\0"
    for number in range(2, int(PRIMES_BELOW**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(sieve[number * number :: number]))
    primes = [number for number, is_prime in enumerate(sieve) if is_prime]
    rows = (primes[start : start + 10] for start in range(0, len(primes), 10))
    lines = (" ".join(f"{prime:6d}" for prime in row) for row in rows)
    head = f"The {len(primes):,} primes below {PRIMES_BELOW:,}\n\n"
    return (head + "\n".join(lines) + "\n").encode()


def make(site: Path) -> None:
    """Write every generated file below the folder."""
    made = {
        "documents/how-a-request-travels.pdf": article.make(),
        "favicon.ico": icon.make(),
        "images/queue.gif": queue_animation.make(),
        "images/waiting.svg": curve.make(),
        "large/primes.txt": primes_text(),
    }
    for name, content in made.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print(f"{len(content):>8,} bytes  {name}")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else SITE)
