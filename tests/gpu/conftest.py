"""How many GPUs are here, asked of the driver itself."""

from __future__ import annotations

import ctypes

import onnxruntime
import pytest


def count_gpus() -> int:
    """GPUs that CUDA shows this process, CUDA_VISIBLE_DEVICES respected; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


@pytest.fixture(scope="session")
def gpus() -> int:
    """GPUs to run on.  Skips the test where there is none, or ONNX Runtime cannot use any."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA: install alexnet-server[serve-gpu]")
    found = count_gpus()
    if found == 0:
        pytest.skip("no CUDA device is here")
    return found
