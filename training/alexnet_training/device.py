"""Where a network is trained, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from alexnet_training.errors import DeviceError
from alexnet_training.recipe import Precision

ResolvedPrecision = Literal["fp32", "bf16"]


def choose_device(name: str) -> torch.device:
    """``auto`` (CUDA where there is one), ``cpu`` or ``cuda:N``; raises DeviceError."""
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device is {name!r}; use auto, cpu or cuda:0") from error
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise DeviceError(f"--device is {name!r}; use auto, cpu or cuda:0")
    found = torch.cuda.device_count()
    index = device.index or 0
    if index >= found:
        raise DeviceError(f"--device is {name!r}, but this machine has {found} CUDA devices")
    return torch.device("cuda", index)


def choose_devices(names: str) -> tuple[torch.device, ...]:
    """One device for the whole network, or by ``cuda:0,cuda:1`` one a tower; raises DeviceError."""
    devices = tuple(choose_device(name) for name in names.split(","))
    if len(devices) != len(set(devices)) or (len(devices) > 1 and devices[0].type == "cpu"):
        raise DeviceError(f"--device is {names!r}: a tower a device takes two GPUs, cuda:0,cuda:1")
    return devices


def choose_precision(wanted: Precision, device: torch.device) -> ResolvedPrecision:
    """bf16 for ``auto`` only where the chip computes in it: emulated it is slower than fp32."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = torch.cpu.get_capabilities()
        native = any(able.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return "bf16" if native else "fp32"


def computing(device: torch.device, precision: ResolvedPrecision) -> AbstractContextManager[object]:
    """The context a forward pass runs in."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
