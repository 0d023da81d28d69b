"""Cores and memory of a container are those of its control groups, as told by made-up files of the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.core import container, machine
from lookalike.core.container import memory_left, memory_limit, quota_cores

MIB = 2**20
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate"
V1 = [
    "33 32 0:28 {inner} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
    "34 32 0:29 {inner} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "35 32 0:30 {inner} /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset",
]


def system(root: Path, cgroup: str, mounts: list[str], files: dict[str, str]) -> Path:
    """A root folder with what the system says of this process, and files below sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup + "\n", encoding="utf-8")
    (root / "proc/self/mountinfo").write_text("\n".join(["22 1 8:1 / / rw - ext4 /dev/sda1 rw", *mounts, ""]), "utf-8")
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return root


def test_version_2_in_a_namespace(tmp_path: Path):
    root = system(
        tmp_path,
        "0::/",
        [V2],
        {
            "cpu.max": "200000 100000",
            "memory.max": str(2048 * MIB),
            "memory.current": str(1500 * MIB),
            "memory.stat": f"anon 1000\ninactive_file {400 * MIB}\nactive_file {900 * MIB}",
        },
    )
    assert quota_cores(root) == 2
    assert memory_limit(root) == 2048 * MIB
    assert memory_left(root) == (2048 - 1500 + 400) * MIB


def test_the_least_limit_of_all_groups_above_counts(tmp_path: Path):
    root = system(
        tmp_path,
        "0::/user.slice/job.scope/step",
        [V2],
        {
            "user.slice/cpu.max": "max 100000",
            "user.slice/memory.max": str(100 * MIB),
            "user.slice/memory.current": str(30 * MIB),
            "user.slice/job.scope/cpu.max": "150000 100000",
            "user.slice/job.scope/memory.max": "max",
            "user.slice/job.scope/step/cpu.max": "400000 100000",
            "user.slice/job.scope/step/memory.max": str(200 * MIB),
            "user.slice/job.scope/step/memory.current": str(20 * MIB),
        },
    )
    assert quota_cores(root) == 2  # of 1.5
    assert memory_limit(root) == 100 * MIB
    assert memory_left(root) == 70 * MIB


def test_no_limit_is_none(tmp_path: Path):
    files = {"cpu.max": "max 100000", "memory.max": "max", "memory.current": "123"}
    root = system(tmp_path, "0::/", [V2], files)
    assert (quota_cores(root), memory_limit(root), memory_left(root)) == (None, None, None)


def test_memory_high_binds_and_nothing_left_is_nothing(tmp_path: Path):
    files = {"memory.max": str(90 * MIB), "memory.high": str(60 * MIB), "memory.current": str(80 * MIB)}
    root = system(tmp_path, "0::/", [V2], files)
    assert (memory_limit(root), memory_left(root)) == (60 * MIB, 0)


@pytest.mark.parametrize("inner", ["/", "/docker/abc"])
def test_version_1_with_the_host_s_paths_and_with_the_container_s(inner: str, tmp_path: Path):
    """Docker mounts the container's own group, and still tells its path on the host."""
    below = "docker/abc/" if inner == "/" else ""
    cgroup = "5:cpuset:/docker/abc\n4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc"
    root = system(
        tmp_path,
        cgroup,
        [line.format(inner=inner) for line in V1],
        {
            f"cpu,cpuacct/{below}cpu.cfs_quota_us": "50000",
            f"cpu,cpuacct/{below}cpu.cfs_period_us": "100000",
            f"memory/{below}memory.limit_in_bytes": str(512 * MIB),
            f"memory/{below}memory.usage_in_bytes": str(500 * MIB),
            f"memory/{below}memory.stat": f"inactive_file 1\ntotal_inactive_file {88 * MIB}",
            f"cpuset/{below}cpuset.effective_cpus": "0-3,8",
        },
    )
    assert quota_cores(root) == 1  # half a core is one thread
    assert memory_limit(root) == 512 * MIB
    assert memory_left(root) == 100 * MIB


def test_version_1_without_limits(tmp_path: Path):
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/memory.usage_in_bytes": "1000",
    }
    cgroup = "4:memory:/\n3:cpu,cpuacct:/"
    root = system(tmp_path, cgroup, [line.format(inner="/") for line in V1], files)
    assert (quota_cores(root), memory_limit(root), memory_left(root)) == (None, None, None)


def test_processors_of_a_group(tmp_path: Path):
    root = system(tmp_path, "0::/", [V2], {"cpuset.cpus.effective": "0-3,8,10-11"})
    assert quota_cores(root) == 7


@pytest.mark.parametrize("text", ["", "nonsense", "0::", "0::/../..", "9:memory:/a/../../b"])
def test_files_that_say_nothing_limit_nothing(text: str, tmp_path: Path):
    root = system(tmp_path, text, [V2, "odd", "1 2 3 - cgroup2"], {"cpu.max": "x y", "memory.max": "much"})
    assert (quota_cores(root), memory_limit(root), memory_left(root)) == (None, None, None)
    assert quota_cores(tmp_path / "no system") is None


def test_the_machine_is_what_its_container_grants(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(container, "memory_left", lambda: 3 * MIB)
    monkeypatch.setattr(container, "memory_limit", lambda: 5 * MIB)
    monkeypatch.setattr(machine, "_granted_cores", lambda: 1)
    assert machine.available_bytes() == 3 * MIB
    assert machine.description()["memory_gib"] == 0.0
    assert machine.cores() == 1
