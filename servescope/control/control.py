"""All of the control tables of one data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from servescope.control.capacity_searches import CapacitySearches
from servescope.control.captures import Captures
from servescope.control.comparisons import Comparisons
from servescope.control.events import Events
from servescope.control.experiments import Experiments
from servescope.control.instances import Instances
from servescope.control.listeners import Listeners
from servescope.control.load_runs import LoadRuns
from servescope.control.scrape_totals import ScrapeTotals
from servescope.control.verdicts import Verdicts
from servescope.store.sqlite.database import Database
from servescope.store.sqlite.read_only import ReadOnlyDatabase

if TYPE_CHECKING:
    from pathlib import Path


class Control:
    """Opens the store's file in `folder` for the control tables, and closes it.

    `read_only` changes nothing in the folder. Raises what opening a store raises.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        # No bound: the rows are small, and wanted most when the metrics have no room.
        opened = ReadOnlyDatabase(folder) if read_only else Database(folder, None)
        # The reading half of one: a write raises StoreError.
        self._database = cast("Database", opened)
        self.load_runs = LoadRuns(self._database)
        self.comparisons = Comparisons(self._database)
        self.capacity_searches = CapacitySearches(self._database)
        self.experiments = Experiments(self._database)
        self.verdicts = Verdicts(self._database)
        self.captures = Captures(self._database)
        self.listeners = Listeners(self._database)
        self.events = Events(self._database)
        self.instances = Instances(self._database)
        self.scrape_totals = ScrapeTotals(self._database)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
