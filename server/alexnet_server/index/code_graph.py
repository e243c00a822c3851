"""The ONNX graph of learned codes, looked into before OpenVINO loads it."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from alexnet_repository.errors import UnsafeGraph
from alexnet_repository.graph_check import MAX_GRAPH_BYTES, require_safe_bytes
from alexnet_server.errors import IndexMismatch, SettingsError
from alexnet_server.host_graph import HostGraph, read_graph

_NAME = "codes"
_REMEDY = "make it again with alexnet-train codes"


def read_code_graph(path: Path) -> bytes:
    """A graph file's bytes.  Raises SettingsError where it cannot be read, or is too large."""
    try:
        if path.stat().st_size > MAX_GRAPH_BYTES:
            raise SettingsError(f"--codes {path} has more than {MAX_GRAPH_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"--codes {path} cannot be read: {error.strerror}") from error


def code_notes(content: bytes) -> dict[str, str]:
    """What a graph says of itself: ``model_digest``, ``metric``, ...; empty where it is none."""
    try:
        return {note.key: note.value for note in onnx.load_from_string(content).metadata_props}
    except DecodeError:
        return {}


def open_code_graph(content: bytes, units: int) -> tuple[HostGraph, int]:
    """A graph for features of ``units``, loaded, and its bytes a code.

    Raises IndexMismatch where it is no such graph, or there is no OpenVINO here.
    """
    try:
        ports = require_safe_bytes(content, _NAME, "the graph of the codes", _REMEDY)
    except UnsafeGraph as error:
        raise IndexMismatch(str(error)) from error
    if ports.inputs != {"features": (onnx.TensorProto.FLOAT, (units,))}:
        raise IndexMismatch(f"the graph of the codes is not for {units} features: {_REMEDY}")
    element, shape = ports.outputs.get("code", (onnx.TensorProto.UNDEFINED, ()))
    if element != onnx.TensorProto.UINT8 or len(shape) != 1 or not shape[0]:
        raise IndexMismatch(f"the graph of the codes gives no bytes: {_REMEDY}")
    return _loaded(content), shape[0]


def _loaded(content: bytes) -> HostGraph:
    try:
        return HostGraph(read_graph(content), threads=1)  # requests are many
    except ImportError as error:  # not in the extra serve-triton
        raise IndexMismatch(
            "the codes of this index need OpenVINO: install alexnet-server[serve]"
        ) from error
    except RuntimeError as error:  # OpenVINO's only one
        raise IndexMismatch(f"the graph of the codes cannot be loaded: {error}") from error
