import os
import socket
from pathlib import Path

import psutil
import pytest

from servescope.catalog import BY_NAME
from servescope.sampling.host import (
    CpuSampler,
    DiskSampler,
    MemorySampler,
    NetworkSampler,
    host_samplers,
    is_whole_disk,
    parse_cpu_times,
    parse_diskstats,
    parse_meminfo,
    parse_net_dev,
)
from servescope.sampling.procfs import ProcFile

CPU_CASES = {
    "two cores, guest time within user": (
        b"cpu 3 2 1 20 8 1 3 4 5 0\ncpu0 1 1 0 9 4 1 1 2 5 0\ncpu1 2 1 1 11 4 0 2 2 0 0\nintr 9\n",
        {"all": (14, 28), "0": (6, 13), "1": (8, 15)},
    ),
    "a core is offline": (
        b"cpu  3 0 0 5 0 0 0 0 0 0\ncpu0 1 0 0 2 0 0 0 0 0 0\ncpu3 2 0 0 3 0 0 0 0 0 0\nintr 1\n",
        {"all": (3, 5), "0": (1, 2), "3": (2, 3)},
    ),
    "an old kernel tells seven figures": (
        b"cpu  3 0 1 5 1 1 1\ncpu0 3 0 1 5 1 1 1\n",
        {"all": (6, 6), "0": (6, 6)},
    ),
    "nothing": (b"", {}),
}


@pytest.mark.parametrize(("text", "expected"), CPU_CASES.values(), ids=CPU_CASES)
def test_cpu_times(text, expected):
    assert parse_cpu_times(text) == expected


DISK_CASES = {
    "twenty fields of Linux 5.5": (
        b" 254       0 vda 31031 7861 10 8632 6069 21262 20 4540 2 5860 13470 3481 34 7 26 8 3\n",
        {"vda": (5120, 10240)},
    ),
    "fourteen fields, a name with a slash": (
        b" 104       0 cciss/c0d0 1 0 1 0 1 0 2 0 0 0 0\n",
        {"cciss/c0d0": (512, 1024)},
    ),
    "a name beyond ASCII": (
        " 259 0 nvme0n1 1 0 3 0 1 0 4 0 0 0 0\n 8 0 sd\xe4 1 0 0 0 1 0 0 0 0 0 0\n".encode(
            "latin-1"
        ),
        {"nvme0n1": (1536, 2048), "sd\\xe4": (0, 0)},
    ),
    "no disk": (b"", {}),
}


@pytest.mark.parametrize(("text", "expected"), DISK_CASES.values(), ids=DISK_CASES)
def test_diskstats(text, expected):
    assert parse_diskstats(text) == expected


NET_HEAD = (
    b"Inter-|   Receive                            |  Transmit\n"
    b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
)
NET_CASES = {
    "usual": (
        b"    lo:    3193      29    0    0    0     0        0       0     3194      29 0 0 0\n",
        {"lo": (3193, 3194)},
    ),
    "the figure touches the name": (
        b"  eth0:18446744073709551615 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n",
        {"eth0": (2**64 - 1, 2)},
    ),
    "colons in the name": (b"br:0:x: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n", {"br:0:x": (1, 2)}),
    "odd but legal": (
        "wl\xb5@if3: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n".encode(),
        {"wl\xb5@if3": (1, 2)},
    ),
    "no interface": (b"", {}),
}


@pytest.mark.parametrize(("text", "expected"), NET_CASES.values(), ids=NET_CASES)
def test_net_dev(text, expected):
    assert parse_net_dev(NET_HEAD + text) == expected


def test_meminfo_takes_whole_names_only():
    text = b"MemTotal:  100 kB\nMemFree:  60 kB\nSwapCached:  5 kB\nCached:   9 kB\nHugePages: 1\n"
    assert parse_meminfo(text) == {"MemTotal": 102400, "MemFree": 61440, "Cached": 9216}


def test_meminfo_without_a_total_is_an_error_of_the_sampler():
    with pytest.raises(OSError, match="MemTotal"):
        parse_meminfo(b"Cached: 9 kB\n")


def readings(sampler):
    return {
        (sample.metric, *(value for _, value in sample.labels)): sample.value
        for sample in sampler.sample()
    }


def test_cpu_utilization_is_the_share_not_idle_since_the_call_before(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0\ncpu1 5 0 0 90 5 0 0 0\n")
    sampler = CpuSampler(tmp_path)
    assert readings(sampler).keys() == {("system.cpu.load_average.1m",)}
    stat.write_text(
        "cpu 40 0 0 150 5 0 0 5\ncpu0 20 0 0 70 5 0 0 5\ncpu1 5 0 0 90 4 0 0 0\n"
        "cpu2 1 0 0 1 0 0 0 0\n"
    )
    told = readings(sampler)
    assert told.pop(("system.cpu.load_average.1m",)) == pytest.approx(os.getloadavg()[0], abs=1)
    assert told == {
        ("system.cpu.utilization", "all"): 45 / 200,
        ("system.cpu.utilization", "0"): 0.25,
        # cpu1 did not tick (iowait even stepped back), and cpu2 has just come
    }


def test_memory_states_add_up_and_swapless_is_zero(tmp_path):
    (tmp_path / "meminfo").write_text(
        "MemTotal: 1000 kB\nMemFree: 500 kB\nMemAvailable: 700 kB\nBuffers: 20 kB\n"
        "Cached: 200 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nSReclaimable: 30 kB\n"
    )
    assert readings(MemorySampler(tmp_path)) == {
        ("system.memory.usage", "used"): 250 * 1024,
        ("system.memory.usage", "buffers"): 20 * 1024,
        ("system.memory.usage", "cached"): 230 * 1024,
        ("system.memory.usage", "free"): 500 * 1024,
        ("system.memory.utilization",): 0.3,
        ("system.paging.usage", "used"): 0,
        ("system.paging.usage", "free"): 0,
        ("system.paging.utilization",): 0.0,
    }


def test_swap_in_use_and_nothing_told_of_available_memory(tmp_path):
    (tmp_path / "meminfo").write_text(
        "MemTotal: 1000 kB\nMemFree: 500 kB\nCached: 250 kB\nSwapTotal: 400 kB\nSwapFree: 100 kB\n"
    )
    told = readings(MemorySampler(tmp_path))
    assert told["system.memory.utilization",] == 0.25
    assert told["system.paging.usage", "used"] == 300 * 1024
    assert told["system.paging.utilization",] == 0.75


@pytest.fixture
def sys_block(tmp_path):
    for name in ("vda", "nvme0n1", "cciss!c0d0", "loop0", "ram0", "zram0", "md127", "dm-0", "sr0"):
        (tmp_path / "block" / name / "slaves").mkdir(parents=True)
    for stacked, below in (("md127", "vda"), ("dm-0", "nvme0n1")):
        (tmp_path / "block" / stacked / "slaves" / below).touch()
    return tmp_path / "block"


WHOLE = {
    "vda": True,
    "vda1": False,
    "nvme0n1": True,
    "nvme0n1p2": False,
    "cciss/c0d0": True,
    "cciss/c0d0p1": False,
    "loop0": False,
    "ram0": False,
    "zram0": False,
    "md127": False,
    "dm-0": False,
    "sr0": True,
}


@pytest.mark.parametrize(("name", "expected"), WHOLE.items())
def test_whole_disks(name, expected, sys_block):
    assert is_whole_disk(name, sys_block) is expected


def test_disk_io_counts_whole_disks_through_restart_and_unplugging(tmp_path, sys_block):
    def write(**sectors):
        (tmp_path / "diskstats").write_text(
            "".join(
                f" 8 0 {name} 1 0 {read} 0 1 0 {written} 0 0 0 0\n"
                for name, (read, written) in sectors.items()
            )
        )

    write(vda=(10, 10), vda1=(9, 9), nvme0n1=(1, 1))
    sampler = DiskSampler(tmp_path, sys_block)
    assert readings(sampler) == {}
    write(vda=(12, 10), vda1=(11, 9))
    assert readings(sampler) == {
        ("system.disk.io", "read", "vda"): 1024,
        ("system.disk.io", "write", "vda"): 0,
    }
    write(vda=(3, 0), vda1=(0, 0), nvme0n1=(5, 5))
    assert readings(sampler) == {
        ("system.disk.io", "read", "vda"): 1536,
        ("system.disk.io", "write", "vda"): 0,
    }


def test_memory_of_this_host_agrees_with_psutil():
    told = readings(MemorySampler())
    known = psutil.virtual_memory()
    states = [value for key, value in told.items() if key[0] == "system.memory.usage"]
    assert sum(states) == known.total
    assert told["system.memory.utilization",] == pytest.approx(known.percent / 100, abs=0.05)


def test_bytes_over_loopback_are_counted(listen, connect):
    sampler = NetworkSampler()
    list(sampler.sample())
    listening = listen()
    (client,) = connect(listening)
    server, _ = listening.accept()
    with server:
        client.sendall(bytes(100_000))
        client.shutdown(socket.SHUT_WR)
        while server.recv(65536):
            pass
    told = readings(sampler)
    assert told["system.network.io", "lo", "receive"] >= 100_000
    assert told["system.network.io", "lo", "transmit"] >= 100_000


def test_every_sample_is_in_the_catalog_with_its_labels():
    samplers = host_samplers()
    for sampler in samplers:
        list(sampler.sample())
    for sampler in samplers:
        for sample in sampler.sample():
            metric = BY_NAME[sample.metric]
            assert {name for name, _ in sample.labels} == set(metric.labels)
            assert list(sample.labels) == sorted(sample.labels)
            if metric.unit == "1":
                assert 0 <= sample.value <= 1


def test_a_table_of_many_pages_is_read_to_its_end(listen, connect, eventually):
    listening = listen(backlog=200)
    port = f":{listening.getsockname()[1]:04X}".encode()
    connect(listening, 150)  # two rows of 150 bytes each: past the 4 KiB the kernel hands over
    table = ProcFile(Path("/proc/net/tcp"))

    def rows():
        """How many different ones; by their addresses, which no two connections share."""
        addresses = (tuple(line.split()[1:3]) for line in table.read().splitlines()[1:])
        return len({pair for pair in addresses if port in pair[0]})

    # Where connections of others come and go meanwhile, a page may repeat or miss a row.
    for _ in range(2):
        eventually(rows, 151)
