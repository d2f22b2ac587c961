"""What the code runs on."""

import ctypes
import os
import platform
from pathlib import Path

import torch


def device() -> torch.device:
    """The GPU if PyTorch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """What a card says of the hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}), {threads} thread{'s' if threads > 1 else ''}"


def processor_name() -> str:
    """The processor and the instructions that PyTorch uses of it."""
    name = platform.processor() or platform.machine()
    if (listed := Path("/proc/cpuinfo")).exists():
        models = (line for line in listed.read_text().splitlines() if line.startswith("model name"))
        name = next(models, f": {name}").partition(":")[2].strip()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> bool:
    """Let the C library keep large blocks that are freed for the next ones; whether it can (glibc on Linux).

    By default it gives them back to the system at every free, and a long run on a CPU takes them anew at
    every step. For a program of one's own: the process keeps the memory of its peak.
    """
    if platform.system() != "Linux" or not hasattr(library := ctypes.CDLL(None), "mallopt"):
        return False
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # as in malloc.h
    settings = {mmap_threshold: 1 << 25, trim_threshold: 1 << 30, top_pad: 1 << 28}
    return all(library.mallopt(*setting) for setting in settings.items())


def return_freed_memory() -> None:
    """Give the system back what `keep_freed_memory` has kept so far, where the C library can."""
    if platform.system() == "Linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
