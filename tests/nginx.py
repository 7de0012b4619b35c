"""A real nginx for tests: one process on a free port of loopback, ended by pid."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.engines import CACHE
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


def program() -> str:
    """The path of nginx: installed, or where scripts/test has unpacked it."""
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    found = found or shutil.which(CACHE / "usr/sbin/nginx")
    assert found, "nginx is missing: scripts/test gets it, or as root: apt-get install nginx-light"
    return found


@contextmanager
def running_nginx(folder: Path, port: int, locations: str) -> Iterator[None]:
    """Serve these locations at the port until the end of the block."""
    from tests.processes import is_bound

    folder.mkdir(parents=True, exist_ok=True)
    configuration, log = folder / "nginx.conf", folder / "error.log"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port, locations=locations))
    command = [program(), "-p", str(folder), "-e", str(log), "-c", str(configuration)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()
        return is_bound(port)

    try:
        eventually(is_up)
        yield
    finally:
        process.terminate()
        process.wait(10)
