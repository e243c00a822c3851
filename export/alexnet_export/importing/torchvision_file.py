"""torchvision's ``alexnet`` as torch.save wrote it: read without running anything that is in it."""

from __future__ import annotations

import io
import warnings
import zipfile
from types import ModuleType
from typing import Any

import numpy as np

from alexnet_export.checkpoint import Tensor
from alexnet_export.dialects import TORCHVISION
from alexnet_export.errors import SourceError
from alexnet_export.layers import shapes

# The places of the layers with weights in torchvision's nn.Sequential, in the order of the data.
_PLACES = (
    "features.0",
    "features.3",
    "features.6",
    "features.8",
    "features.10",
    "classifier.1",
    "classifier.4",
    "classifier.6",
)
_CLASSES = 1000
# torchvision's AlexNet_Weights: mean and deviation of a channel, RGB, of pixels in 0..1.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
MEAN_PIXEL = tuple(255 * channel for channel in _MEAN)


def read_torchvision(content: bytes) -> dict[str, Tensor]:
    """The tensors of a ``torchvision`` checkpoint but for the mean; pixels are 0..255 there.

    The division by the channels' deviation becomes a factor of conv1, whose padding is zeros after
    it.  Raises SourceError where PyTorch is missing, and where the file is damaged, has code in it
    or holds another network.
    """
    tensors = _state(content)
    expected = {}
    for place, shape in zip(_PLACES, shapes(TORCHVISION, _CLASSES), strict=True):
        expected[f"{place}.weight"] = (f"{shape.name}.weight", shape.weight)
        expected[f"{place}.bias"] = (f"{shape.name}.bias", shape.weight[:1])
    _require_same_names(set(tensors), set(expected))
    found = {}
    for name, (ours, wanted) in expected.items():
        tensor = tensors[name]
        _require_plain(name, tensor, wanted)
        found[ours] = np.array(tensor.detach().numpy(), np.float32)
    factor = 255 * np.array(_DEVIATION, np.float64)[:, None, None]  # [3, 1, 1]
    found["conv1.weight"] = (found["conv1.weight"] / factor).astype(np.float32)
    return found


def _state(content: bytes) -> dict[Any, Any]:
    torch = _torch()
    _require_stored(content)
    try:
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile file makes PyTorch raise anything
        # Its words advise to load the file with the code.
        raise SourceError(
            f"it is damaged, or has code in it, which was not run ({type(error).__name__})"
        ) from error
    if not isinstance(state, dict):
        raise SourceError(
            f"it holds a {type(state).__name__}, and torchvision's file named tensors"
        )
    return state


def _torch() -> ModuleType:
    try:
        import torch  # noqa: PLC0415 - needed for this file alone
    except ImportError as error:
        raise SourceError(
            "reading torchvision's file needs PyTorch, which is not installed: install torch (or "
            "alexnet-training, which brings it)"
        ) from error
    return torch


def _require_stored(content: bytes) -> None:
    """Raise where the archive grows when it is unpacked: PyTorch writes it without compression."""
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise SourceError(f"it is damaged or cut off: {error}") from error
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > len(content) or any(entry.compress_type for entry in entries):
        raise SourceError(
            f"it unpacks to {unpacked:,} bytes, and torch.save stores what it writes as it is"
        )


def _require_same_names(found: set[Any], expected: set[str]) -> None:
    missing = sorted(expected - found)
    surplus = sorted(str(name) for name in found - expected)
    if missing or surplus:
        raise SourceError(
            f"not torchvision's alexnet: without {missing[:4] or 'nothing'}, "
            f"and with {surplus[:4] or 'nothing'} beside it"
        )


def _require_plain(name: str, tensor: Any, wanted: tuple[int, ...]) -> None:  # noqa: ANN401
    torch = _torch()
    is_tensor = isinstance(tensor, torch.Tensor)
    # A meta tensor has a shape and no numbers.
    if not is_tensor or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise SourceError(f"{name} is no plain tensor")
    if tuple(tensor.shape) != wanted or tensor.dtype != torch.float32:
        raise SourceError(
            f"{name} is {tensor.dtype} {list(tensor.shape)}, and torchvision's alexnet has "
            f"torch.float32 {list(wanted)}"
        )
