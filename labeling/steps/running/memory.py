"""The memory of processes and of the machine, as Linux reports them. On other systems processes count as 0 bytes, so no
memory limit applies.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def taken_by(pid: int) -> int:
    """Return bytes of the process and its descendants. Pages of mapped files do not count: the kernel can drop them."""
    return sum(own(each) for each in _tree(pid))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _tree(int(child))


def own(pid: int) -> int:
    """Return bytes of the process alone, without pages of mapped files; 0 if it has ended."""
    kilobytes = 0
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(("RssAnon:", "VmSwap:")):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024


def there_is() -> int:
    """Return bytes of memory of this machine, or the limit of this container if that is lower."""
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
