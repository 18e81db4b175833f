"""What a process and its children use, as Linux counts it."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU so far; memory and open files at this moment."""

    cpu_s: float
    resident_mib: float
    num_handles: int


def usage_of(pid: int, *, alone: bool = False) -> Usage:
    """Of this process and all that it started, or of itself alone."""
    cpu_s, resident, handles = 0.0, 0, 0
    for each in [pid] if alone else family(pid):
        try:
            fields = (PROC / str(each) / "stat").read_text().rpartition(")")[2].split()
            resident += int((PROC / str(each) / "statm").read_text().split()[1]) * PAGE_BYTES
            handles += sum(1 for _ in (PROC / str(each) / "fd").iterdir())
        except FileNotFoundError:  # it ended meanwhile
            continue
        cpu_s += (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    return Usage(cpu_s, resident / 2**20, handles)


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for each in (PROC / str(pid) / "task").glob("*/children"):
        for child in each.read_text().split():
            found += family(int(child))
    return found
