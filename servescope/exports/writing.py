"""The store that an export reads, and the bytes that it becomes."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.errors import DataFolderError
from servescope.formats.tables import table_format
from servescope.queries.export import check_host, rows
from servescope.records.metrics import ALL_HOSTS
from servescope.store.opening import open_backend
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.sqlite.store import open_read_only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.queries.export import Wanted
    from servescope.settings import Settings
    from servescope.store.base import Store

SQLITE: Final = "sqlite"


@dataclass(frozen=True, slots=True)
class ExportSource:
    """The data folder, and the backend (`SERVESCOPE_STORE`, a secret) with the figures of `host`.

    `instance` is this host's name on an engine, `host` "" for this host, ALL_HOSTS for all hosts.
    """

    folder: str
    backend: str
    size_mib: int
    instance: str
    host: str = ""

    @classmethod
    def of_settings(cls, settings: Settings, host: str) -> ExportSource:
        """The source of an export of `host`'s figures by these settings."""
        return cls(
            str(settings.data_dir),
            settings.store.get_secret_value(),
            settings.store_mib,
            settings.instance,
            host,
        )

    @classmethod
    def of_folder(cls, folder: Path, instance: str) -> ExportSource:
        """The source of an export of a store that stands by itself; `instance` measured it."""
        return cls(str(folder), SQLITE, 0, instance)

    def open(self) -> Store:
        """The store with the host's figures; the engine needs no data folder for it.

        Raises DataFolderError where there is no store, StoreError where it cannot be read,
        ExportError when the figures of `host` cannot be had.
        """
        folder = Path(self.folder)
        if self.backend == SQLITE:
            check_host(self.host, None)
            return open_read_only(self.folder_with_store())
        if self._has_file() and self.host in {"", self.instance}:
            return open_backend(self.backend, folder, self.size_mib, self.instance)
        from servescope.store.engine.store import FarView  # most exports need no HTTP client

        chosen = self.host or self.instance
        with ExitStack() as on_failure:
            view = on_failure.enter_context(
                closing(FarView(self.backend, None if chosen == ALL_HOSTS else chosen))
            )
            check_host(chosen, [one.name for one in view.hosts()])
            on_failure.pop_all()
        return view

    def folder_with_store(self) -> Path:
        """The data folder. Raises DataFolderError where there is no store, or it cannot be read."""
        folder = Path(self.folder)
        if not self._has_file():
            raise DataFolderError(
                f"there is no store in {folder}; SERVESCOPE_DATA_DIR names another"
            )
        return folder

    def _has_file(self) -> bool:
        try:
            return (Path(self.folder) / FILE_NAME).exists()
        except OSError as error:
            raise DataFolderError(
                f"the data folder {self.folder} cannot be read: {error.strerror}"
            ) from error


def export_parts(store: Store, asked: Wanted, form: str) -> Iterator[bytes]:
    """The bytes of the export in the format of this name, a few MB at a time."""
    return table_format(form).write(rows(store, asked))
