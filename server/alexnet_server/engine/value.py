"""A value on its way through the ensemble, and what of it crosses between devices."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

HOST = "cpu"


class Traffic:
    """Bytes that went from one device to another, by the value they were of; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes: dict[tuple[str, str, str], int] = {}

    def add(self, value: str, source: str, target: str, count_bytes: int) -> None:
        """Count one copy."""
        with self._lock:
            key = (value, source, target)
            self._bytes[key] = self._bytes.get(key, 0) + count_bytes

    def bytes(self) -> dict[tuple[str, str, str], int]:
        """Bytes so far, by (value, source, target)."""
        with self._lock:
            return dict(self._bytes)


@dataclass(frozen=True)
class Value:
    """One tensor of the ensemble, made on ``device`` and copied to whichever device asks for it.

    Every device gets one copy however many steps read it there.  ``tensor`` is an array on the
    processor and an OrtValue on a GPU.
    """

    name: str
    device: str
    tensor: Any
    traffic: Traffic
    _copies: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, device: str) -> Any:  # noqa: ANN401 (onnxruntime is not typed)
        """This tensor on a device: an array on ``cpu``, an OrtValue on ``cuda:N``."""
        if device == self.device:
            return self.tensor
        with self._lock:
            if device not in self._copies:
                # By way of the host: from GPU to GPU directly only where the machine allows it.
                array = np.asarray(self.tensor if self.device == HOST else self.tensor.numpy())
                self._copies[device] = array if device == HOST else tensor_on(array, device)
                self.traffic.add(self.name, self.device, device, array.nbytes)
            return self._copies[device]

    def array(self) -> npt.NDArray[Any]:
        """The tensor in the host's memory."""
        return np.asarray(self.on(HOST))


def tensor_on(array: npt.NDArray[Any], device: str) -> Any:  # noqa: ANN401 (as above)
    """An OrtValue of the same type and shape on a GPU."""
    import onnxruntime  # noqa: PLC0415 (only a server with GPUs has it)

    kind, number = ort_device(device)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array, kind, number)


def ort_device(device: str) -> tuple[str, int]:
    """ONNX Runtime's name and number of ``cuda:N``."""
    kind, _, number = device.partition(":")
    return kind, int(number)
