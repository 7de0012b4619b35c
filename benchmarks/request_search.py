"""The cost of a search of the request log among 100,000 kept requests, the most it ever reads.

    python benchmarks/request_search.py [REQUESTS]

Prints CPU milliseconds of each search, the median of seven, and what keeping them adds to the file.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from servescope.control import Control
from servescope.queries.context import ProcessContext
from servescope.queries.request_search import Search, find
from servescope.queries.span import Span
from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, Protocol, RequestFlag
from servescope.settings import Settings
from servescope.store.base import Batch, Frame
from servescope.store.sqlite.store import SqliteStore

START = 1_700_000_000
PER_SECOND = 20
ROUNDS = 7
SEARCHES = {
    "everything": Search(),
    "slower than 100 ms": Search(slower_s=0.1),
    "text in the target": Search(text="77"),
    "one route and 5xx, slowest first": Search(route="/r/7", status="5xx", order="-took"),
    "by target": Search(order="target"),
    "longest stage": Search(stage="queue"),
}


def detail(number: int, chance: random.Random) -> RequestDetail:
    """A request of one of 50 routes, 200 clients and 20 user agents."""
    route = f"/r/{number % 50}"
    record = RequestRecord(
        end_ns=START * 10**9 + number * 10**9 // PER_SECOND,
        listener_id=1,
        route_id=number % 50,
        method=Method.GET,
        protocol=Protocol.HTTP_1_1,
        status=chance.choice((200, 200, 200, 404, 500)),
        flags=RequestFlag(0),
        bytes_received=200,
        bytes_sent=chance.randrange(10_000),
        stages_ns=tuple(chance.expovariate(1e-7) for _ in range(6)),
    )
    agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{number % 20}.0"
    return RequestDetail(
        record, "wsgi", route, f"{route}/{number}", f"192.0.2.{number % 200}", agent
    )


def main(count: int) -> None:
    """Fill a store, search it, print."""
    chance = random.Random(7)  # noqa: S311 - the same figures each time
    seconds = count // PER_SECOND
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, control = SqliteStore(folder), Control(folder)
        details = [detail(number, chance) for number in range(count)]
        store.write(Batch([Frame(START + seconds)], request_details=details))
        settings = Settings(data_dir=folder)
        process = ProcessContext(
            store,
            control,
            settings,
            is_leader=lambda: True,
            leader_pid=lambda: None,
            problems=tuple,
        )
        size_mib = sum(file.stat().st_size for file in folder.glob("*.sqlite3*")) / 2**20
        print(f"{count:,} requests kept: {size_mib:.1f} MiB of store and log")
        for title, span in (
            ("of the last 5 minutes", Span(START + seconds - 300, START + seconds, 1, fixed=True)),
            ("of all", Span(START, START + seconds, 1, fixed=True)),
        ):
            for what, search in SEARCHES.items():
                taken: list[float] = []
                found = find(process.home, span, search)
                for _ in range(ROUNDS):
                    process.home.snapshots._lasting.clear()  # noqa: SLF001 - or the cache answers
                    began = time.process_time()
                    find(process.home, span, search)
                    taken.append(time.process_time() - began)
                ms = statistics.median(taken) * 1e3
                print(f"{title}, {what}: {ms:.0f} ms, {found.matching:,} of {found.kept:,} match")
        control.close()
        store.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
