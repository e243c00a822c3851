"""A public network's file, whichever form it has, as a checkpoint.

Which reader it takes is found in its bytes and not in its name; they are read once, so that what
was checked is what is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from alexnet_export.checkpoint import Checkpoint, Tensor
from alexnet_export.dialects import TORCHVISION
from alexnet_export.errors import SourceError
from alexnet_export.importing import caffe_steps, torchvision_file
from alexnet_export.importing.caffemodel import read_caffemodel
from alexnet_export.importing.download import RemoteFile
from alexnet_export.importing.mean_file import read_mean
from alexnet_export.importing.protobuf_wire import BYTES, VARINT, fields
from alexnet_export.importing.published import CAFFEMODEL_SHA1, PUBLISHED
from alexnet_export.importing.torchvision_file import read_torchvision
from alexnet_export.importing.zoo_file import read_zoo_file
from alexnet_export.layers import Dialect

Source = Literal["torchvision", "caffe"]
_Form = Literal["PyTorch", "ONNX", "Caffe"]
_CLASSES = 1000
_MAX_BYTES = 1 << 30  # four times the largest of them
_MEAN_SHAPE = (256, 256, 3)
_FORMS: dict[Source, tuple[_Form, ...]] = {"torchvision": ("PyTorch",), "caffe": ("ONNX", "Caffe")}
# What each is, with the figures as published with it: centre crop, validation pictures of 2012.
_ABOUT: dict[_Form, str] = {
    "PyTorch": "AlexNet of 2014, one tower, as torchvision publishes it; published: 56.5 % of "
    "ImageNet's validation pictures right, 79.1 % among the first five",
    "ONNX": "bvlc_alexnet of Caffe, two towers, as the ONNX Model Zoo publishes it; published: "
    "57.1 % of ImageNet's validation pictures right, 80.2 % among the first five",
    "Caffe": "bvlc_alexnet of Caffe, two towers; published: 57.1 % of ImageNet's validation "
    "pictures right, 80.2 % among the first five",
}
_UNVERIFIED: dict[Source, str] = {
    "torchvision": "a network like torchvision's AlexNet, from a file other than the published one",
    "caffe": "a network like bvlc_alexnet, from a file other than the published one",
}


def read(
    source: Source,
    file: Path,
    *,
    verified: bool,
    mean: Path | None,
    classes: tuple[str, ...],
    published: Mapping[str, RemoteFile] = PUBLISHED,
) -> Checkpoint:
    """The network in ``file`` as a checkpoint that sees RGB.

    ``verified`` demands the published file, by its digest; without it any of the same structure
    will do.  ``mean`` is Caffe's mean image, in place of the mean pixel.  ``classes`` are 1000
    names in ImageNet's order, ``published`` what each source published.  Raises SourceError, saying
    what is wrong with the file.
    """
    if len(classes) != _CLASSES:
        raise SourceError(f"ImageNet has {_CLASSES} classes, and {len(classes)} names were given")
    if mean is not None and source != "caffe":
        raise SourceError("a mean image is for caffe: torchvision's network has a mean pixel")
    content = _content(file)
    form = _form(content, file)
    if form not in _FORMS[source]:
        raise SourceError(
            f"{file} is a file of {form}, and {source} is read from {' or '.join(_FORMS[source])}"
        )
    if verified:
        _require_published(form, content, file, published[source])
    try:
        dialect, tensors, pixel = _network(form, content)
    except SourceError as error:
        raise SourceError(f"{file} is refused: {error}") from error
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise SourceError(f"{file} is refused: {name} has values that are not finite")
    tensors["mean"] = _mean_image(pixel) if mean is None else read_mean(mean, verified=verified)
    about = _ABOUT[form] if verified else _UNVERIFIED[source]
    return Checkpoint(dialect, classes, tensors, scale=1.0, about=about)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror or error}") from error
    if len(content) > _MAX_BYTES:
        raise SourceError(f"{file} has more than {_MAX_BYTES:,} bytes, four times any of these")
    return content


def _form(content: bytes, file: Path) -> _Form:
    if content.startswith((b"PK\x03\x04", b"\x80")):  # a zip archive, or a bare pickle
        return "PyTorch"
    if content.startswith(b"version https://git-lfs"):
        raise SourceError(f"{file} only points to the file (Git LFS): fetch the file itself")
    seen: set[tuple[int, int]] = set()
    try:
        for field in fields(memoryview(content)):
            seen.add((field.number, field.kind))
    except SourceError as error:
        # Where the file is cut off, what came before it still says what it is.
        if not seen:
            raise SourceError(f"{file} is no file of PyTorch, ONNX or Caffe: {error}") from error
    if (1, VARINT) in seen:  # ModelProto's ir_version
        return "ONNX"
    if seen & {(1, BYTES), (2, BYTES), (100, BYTES)}:  # NetParameter's name, layers, layer
        return "Caffe"
    raise SourceError(f"{file} is no file of PyTorch, ONNX or Caffe")


def _require_published(form: _Form, content: bytes, file: Path, remote: RemoteFile) -> None:
    if form == "Caffe":
        found = hashlib.sha1(content, usedforsecurity=False).hexdigest()  # all there is of it
        published, kind, name = CAFFEMODEL_SHA1, "sha1", "bvlc_alexnet.caffemodel"
    else:
        found = hashlib.sha256(content).hexdigest()
        published, kind, name = remote.sha256, "sha256", remote.name
    if not found.startswith(published):
        raise SourceError(
            f"{file} has {kind} {found} and {len(content):,} bytes, and {name} as published has "
            f"{published}: it is damaged or another file (--unverified takes one of the same "
            "structure)"
        )


def _network(form: _Form, content: bytes) -> tuple[Dialect, dict[str, Tensor], tuple[float, ...]]:
    if form == "PyTorch":
        return TORCHVISION, read_torchvision(content), torchvision_file.MEAN_PIXEL
    dialect, tensors = read_zoo_file(content) if form == "ONNX" else read_caffemodel(content)
    return dialect, tensors, caffe_steps.MEAN_PIXEL


def _mean_image(pixel: tuple[float, ...]) -> Tensor:
    """One pixel everywhere, float32 [256, 256, 3]."""
    return np.ascontiguousarray(np.broadcast_to(np.array(pixel, np.float32), _MEAN_SHAPE))
