"""A small disk of a test's own: a tmpfs in a mount namespace that only its process sees.

Root may make one, and so may anyone where user namespaces are open (user_namespaces(7)). Where
neither is, a process can still be kept from growing its files (RLIMIT_FSIZE, setrlimit(2)).
"""

import os
import subprocess
from pathlib import Path

UNSHARE = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")


def _works():
    try:
        tried = subprocess.run(
            [*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"],
            capture_output=True,
            check=False,
            timeout=10,
        )
    except OSError:
        return False
    return tried.returncode == 0


CAN_MOUNT = _works()


def on_private_disk(folder, mib, *command):
    """The command, run where `folder` is a tmpfs of `mib` MiB."""
    script = f'mount -t tmpfs -o size={mib}m none "$0" && exec "$@"'
    return [*UNSHARE, "sh", "-c", script, str(folder), *map(str, command)]


def seen_from_outside(pid, folder):
    """The folder as the process sees it."""
    return Path(f"/proc/{pid}/root{folder}")
