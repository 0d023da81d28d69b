"""What a container grants: cores and memory of the control groups that this process is in (cgroup v1 and v2, Linux).

The system's own figures are those of the whole machine. A limit of any group above binds too, so the least one counts;
groups that cannot be seen from within the container cannot be asked. `root` is where the system's files are, for tests.
Source of names and units: the kernel's documentation, admin-guide/cgroup-v2 and cgroup-v1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

_UNLIMITED = 2**60  # bytes; version 1 says no limit by a number of about 2**63


def quota_cores(root: Path = Path("/")) -> int | None:
    """Cores that the groups allow, a begun one counted as one; None without a limit.

    Threads beyond the quota would be stopped again and again; with one fewer, a part of it would stay unused.
    """
    limits = [_quota(folder) for folder in _groups(root, "cpu")]
    limits += [_cpus(folder) for folder in _groups(root, "cpuset")]
    finite = [cores for cores in limits if cores is not None]
    return max(1, math.ceil(min(finite))) if finite else None


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes that the groups allow; None without a limit."""
    limits = [limit for folder in _groups(root, "memory") if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def memory_left(root: Path = Path("/")) -> int | None:
    """Bytes of that which are not in use; what files hold in the cache is given up when it is needed, and so counts."""
    remaining = []
    for folder in _groups(root, "memory"):
        limit, used = _limit(folder), _number(folder, "memory.current", "memory.usage_in_bytes")
        if limit is not None and used is not None:
            remaining.append(limit - used + _cached(folder))
    return max(0, min(remaining)) if remaining else None


@cache
def _groups(root: Path, controller: str) -> tuple[Path, ...]:
    """The folders of the groups of this process for a controller, the innermost first (cgroup v1 and v2)."""
    folders: list[Path] = []
    places = dict(_memberships(root))
    for kind, inner, mounted, options in _mounts(root):
        if kind == "cgroup" and controller not in options:
            continue
        names = "" if kind == "cgroup2" else next((n for n in places if controller in n.split(",")), None)
        if names is None or names not in places:
            continue
        folder = _below(root / mounted.lstrip("/"), PurePosixPath(inner), PurePosixPath(places[names]))
        top = root / mounted.lstrip("/")
        while True:
            folders.append(folder)
            if folder == top or top not in folder.parents:
                break
            folder = folder.parent
    return tuple(folders)


def _below(mounted: Path, inner: PurePosixPath, group: PurePosixPath) -> Path:
    """The folder of a group where its hierarchy is mounted from `inner` on; in a container often that group itself."""
    relative = group.relative_to(inner) if group.is_relative_to(inner) else PurePosixPath()
    folder = mounted / relative
    return folder if ".." not in relative.parts and folder.is_dir() else mounted


def _memberships(root: Path) -> Iterator[tuple[str, str]]:
    """Controllers ("" in version 2) and path of the groups of this process."""
    for line in _lines(root / "proc/self/cgroup"):
        parts = line.split(":", 2)
        if len(parts) == 3:
            yield parts[1], parts[2]


def _mounts(root: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """Kind, the path inside of it that is mounted, the place and the options of each mounted hierarchy."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if dash and len(fields) > 4 and kind[0] in ("cgroup", "cgroup2"):
            yield kind[0], fields[3], fields[4], kind[-1].split(",")


def _quota(folder: Path) -> float | None:
    for line in _lines(folder / "cpu.max"):
        quota, period = [*line.split(), "100000"][:2]
        return _share(quota, period)
    quota, period = (" ".join(_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    return _share(quota, period)


def _share(quota: str, period: str) -> float | None:
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0 or int(quota) == 0:  # "max" and -1
        return None
    return int(quota) / int(period)


def _cpus(folder: Path) -> int | None:
    """How many processors a list such as 0-3,8 names."""
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus"):
        for line in _lines(folder / name):
            ends = [part.split("-") for part in line.split(",") if part]
            if ends and all(end.isdecimal() for part in ends for end in part):
                return sum(int(part[-1]) - int(part[0]) + 1 for part in ends)
    return None


def _limit(folder: Path) -> int | None:
    limits = [_number(folder, name) for name in ("memory.max", "memory.high", "memory.limit_in_bytes")]
    return min((n for n in limits if n is not None and n < _UNLIMITED), default=None)


def _cached(folder: Path) -> int:
    """Bytes of files that were not used for a while; of the groups below too."""
    figures = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat") if " " in line)
    text = figures.get("total_inactive_file", figures.get("inactive_file", "0"))
    return int(text) if text.isdecimal() else 0


def _number(folder: Path, *names: str) -> int | None:
    for name in names:
        for line in _lines(folder / name):
            return int(line) if line.isdecimal() else None
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
