"""What the code runs on, and what it asks of it."""

import platform
import subprocess
import sys

import pytest
import torch

from l2l_lite.hardware import device, device_name

HELD = """
import torch
from l2l_lite.hardware import keep_freed_memory


def held():
    blocks = [torch.ones(1_000_000) for _ in range(20)]
    del blocks
    held = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return held.split()[1]


print(held(), keep_freed_memory(), held())
"""


def test_the_device_has_a_name():
    assert device_name(device())
    assert "thread" in device_name(torch.device("cpu"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the C library of most Linux systems")
def test_freed_memory_is_kept():
    command = [sys.executable, "-c", HELD]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    given_back, can, kept = found.split()
    assert can == "True"
    assert int(kept) > int(given_back) + 60_000  # kilobytes, of the 80,000 that were freed
