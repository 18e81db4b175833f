"""Which device, precision and number of threads the models get."""

import ctypes
import os
from pathlib import Path

import torch

from service.settings import MIB, Settings

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h
KEPT_BYTES = 128 * MIB  # of memory that was freed, at most, by each of malloc's arenas
MAPPED_BYTES = 32 * MIB  # of a block that is mapped by itself: glibc takes no larger figure


def choose_device(name: str) -> torch.device:
    """`auto` is the first GPU, or the CPU where there is none."""
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the device computes in it natively, and float32 elsewhere."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool({"avx512_bf16", "amx_bf16", "bf16"} & _cpu_flags())
    return torch.bfloat16 if native else torch.float32


def choose_num_threads(settings: Settings) -> int:
    """KSHOT_THREADS, or the cores this process may use: its affinity, cut to the container's quota (cgroup v2)."""
    if settings.threads is not None:
        return settings.threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def keep_memory() -> None:
    """Ask glibc to keep some of the memory that a pass has freed: the next would wait for the kernel to clear it.

    Not where the environment says how glibc is to do (MALLOC_*).
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def _cpu_flags() -> set[str]:
    """The CPU's features as Linux lists them (`flags` on x86, `Features` on Arm); empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith(("flags", "Features"))), set())
