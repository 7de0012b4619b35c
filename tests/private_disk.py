"""A small disk of a test's own: a tmpfs in a mount namespace that only its process sees.

Root may make one, and so may anyone where user namespaces are open (user_namespaces(7)). Where
neither is, a process can still be kept from growing its files (RLIMIT_FSIZE, setrlimit(2)).
"""

import fcntl
import os
import subprocess
import sys
import tempfile
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


def new_ext4(image, mib):
    """A file that holds an ext4 file system, which turns read-only on an error in itself."""
    with image.open("wb") as file:
        file.truncate(mib << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-e", "remount-ro", image], check=True)
    return image


def on_ext4(image, folder, *command):
    """The command, run where `folder` is the file system in `image`."""
    script = 'mount -o loop,errors=remount-ro "$0" "$1" && shift && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, str(image), str(folder), *map(str, command)]


def break_ext4(folder):
    """Have ext4 find an error; it is read-only from then on, until it was unmounted and checked."""
    device = subprocess.run(
        ["findmnt", "-n", "-o", "SOURCE", folder], check=True, capture_output=True, text=True
    )
    name = Path(device.stdout.strip()).name
    Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1")


def checked(image):
    """Repair it as a boot does; e2fsck(8) ends with 1 when it mended something."""
    done = subprocess.run(["e2fsck", "-fy", image], check=False, capture_output=True)
    assert done.returncode in {0, 1}, done.stdout


_GET_FLAGS, _SET_FLAGS, _IMMUTABLE = 0x80086601, 0x40086602, 0x10  # linux/fs.h


def freeze(*paths):
    """Make files and folders immutable: what has them open cannot write either."""
    for path in paths:
        _flag(path, lambda flags: flags | _IMMUTABLE)


def thaw(*paths):
    """Let them be written again."""
    for path in paths:
        _flag(path, lambda flags: flags & ~_IMMUTABLE)


def _flag(path, change):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flags = bytearray(8)
        fcntl.ioctl(descriptor, _GET_FLAGS, flags)
        changed = change(int.from_bytes(flags, sys.byteorder))
        fcntl.ioctl(descriptor, _SET_FLAGS, changed.to_bytes(8, sys.byteorder))
    finally:
        os.close(descriptor)


def can_freeze():
    """Whether this user may make files immutable where temporary ones are."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            freeze(folder)
            thaw(folder)
        except OSError:
            return False
    return True


def can_break():
    """Whether this user may mount an ext4 of a test's own, and break it."""
    with tempfile.TemporaryDirectory() as folder:
        image, there = Path(folder) / "image", Path(folder) / "there"
        there.mkdir()
        script = f"import tests.private_disk as disk; disk.break_ext4({str(there)!r})"
        try:
            new_ext4(image, 4)
            command = on_ext4(image, there, sys.executable, "-c", script)
            subprocess.run(command, check=True, capture_output=True, timeout=20)
        except (OSError, subprocess.SubprocessError):
            return False
    return True
