"""How much memory processes take, and how much there is. Read from Linux; elsewhere nothing is known, and no limit of
memory holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def taken_by(pid: int) -> int:
    """Bytes of the process and of those that it has started. Pages of mapped files can be dropped, and do not count."""
    return sum(own(each) for each in _tree(pid))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _tree(int(child))


def own(pid: int) -> int:
    """Bytes of the process alone."""
    kilobytes = 0
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(("RssAnon:", "VmSwap:")):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024


def there_is() -> int:
    """Bytes of memory that this machine has, or that this container may take."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [machine]
    with suppress(OSError):
        for line in (PROC / "self" / "cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = CGROUPS / line.removeprefix("0::").lstrip("/")
                limits += [_limit(each) for each in (own, *own.parents) if CGROUPS in (each, *each.parents)]
    return min(limit for limit in limits if limit)


def _limit(cgroup: Path) -> int:
    with suppress(OSError, ValueError):
        return int((cgroup / "memory.max").read_text())
    return 0
