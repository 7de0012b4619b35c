"""Folders that look like /proc and /sys/fs/cgroup of a machine, for readers that take a root."""

MIB = 1024 * 1024

MOUNTS = {
    "v2": ["30 24 0:27 {shown} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"],
    "v1": [
        "32 31 0:29 {shown} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct",
        "35 31 0:32 {shown} /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory",
        "34 31 0:31 {shown} /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset",
    ],
}
LINES = {
    "v2": ["0::{path}"],
    "v1": ["12:memory:{path}", "11:cpu,cpuacct:{path}", "7:cpuset:{path}", "1:name=systemd:{path}"],
}
FOLDERS = {
    "v2": {"": ("",)},
    "v1": {"memory": ("memory",), "cpu,cpuacct": ("cpu_", "cpuacct"), "cpuset": ("cpuset",)},
}
"""Below /sys/fs/cgroup, and how the files in each begin."""


class Machine:
    """24 GiB and four cores, with the process in `path`; the mounts show the cgroup `shown`."""

    def __init__(self, root, kind, path="/", shown="/"):
        self.root = root
        self.kind = kind
        self.write("proc/meminfo", f"MemTotal: {24 * 1024 * 1024} kB\nMemFree: 1024 kB\n")
        self.write("proc/stat", "".join(f"cpu{n} 1 0 0 1 0 0 0 0\n" for n in ("", *range(4))))
        self.write("proc/self/cgroup", "".join(f"{one.format(path=path)}\n" for one in LINES[kind]))
        mounts = ["22 1 254:0 / / rw - ext4 /dev/vda rw", *MOUNTS[kind]]
        self.write("proc/self/mountinfo", "".join(f"{one.format(shown=shown)}\n" for one in mounts))
        self.group("")

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def group(self, path, **files):
        """A cgroup below the mount points; `memory_max="1"` is its file `memory.max`."""
        for controllers, prefixes in FOLDERS[self.kind].items():
            folder = f"sys/fs/cgroup/{controllers}/{path}"
            (self.root / folder).mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                if name.startswith(prefixes):
                    file = name.replace("cpus_effective", "cpus.effective").replace("_", ".", 1)
                    self.write(f"{folder}/{file}", text)
        return self


def limited_v2(root):
    """A container of version 2 with a namespace of its own: 512 MiB, half a CPU."""
    return Machine(root, "v2").group(
        "",
        memory_max=f"{512 * MIB}\n",
        memory_high="max\n",
        memory_current=f"{300 * MIB}\n",
        memory_stat=f"anon {200 * MIB}\ninactive_file {100 * MIB}\n",
        cpu_max="50000 100000\n",
        cpu_stat="usage_usec 1000000\nnr_periods 100\nnr_throttled 10\nthrottled_usec 500000\n",
    )
