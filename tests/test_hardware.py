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
print(keep_freed_memory())
blocks = [torch.ones(1_000_000) for _ in range(20)]
del blocks
held = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(held.split()[1])
"""


def test_the_device_has_a_name():
    assert device_name(device())
    assert "thread" in device_name(torch.device("cpu"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the C library of most Linux systems")
def test_freed_memory_is_kept():
    found = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for program in (HELD, HELD.replace("print(keep_freed_memory())", "print(True)"))
    ]
    kept, given_back = (int(text.split()[1]) for text in found)
    assert found[0].split()[0] == "True"
    assert kept > given_back + 60_000  # kilobytes, of the 80,000 that were freed
