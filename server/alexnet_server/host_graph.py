"""An ONNX graph on this machine's processors, run by OpenVINO."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from alexnet_server.host_norm import with_own_norms

Array = npt.NDArray[Any]


def read_graph(graph: Path | bytes) -> Any:  # noqa: ANN401 (openvino is not typed)
    """The model of an ONNX graph, from its file or its bytes.

    Raises RuntimeError, as OpenVINO does, where it cannot be read, and ImportError where OpenVINO
    is not installed.
    """
    # It brings a package that reports each import to its makers.  An entry of None is how Python
    # is told that a module is not there (reference, import system, 5.3.1).
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # noqa: PLC0415 (a server that only asks a Triton may not have it)

    return openvino.Core().read_model(graph)


class HostGraph:
    """A compiled graph; safe to call from many threads, which take turns inside it."""

    def __init__(self, model: Any, threads: int = 0) -> None:  # noqa: ANN401 (as above)
        """Compile what ``read_graph`` gave for ``threads`` cores (0: all there are).

        Raises RuntimeError, as OpenVINO does, where it cannot be run here.
        """
        import openvino  # noqa: PLC0415 (as above)

        core = openvino.Core()
        self._compiled = core.compile_model(with_own_norms(model), "CPU", _options(threads))
        # A request holds its own inputs and outputs; deque's ends are safe without a lock.
        self._idle: deque[Any] = deque()

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str]) -> dict[str, Array]:
        """The ``outputs`` of the graph by their names, for ``inputs`` by theirs.

        The arrays are the caller's own.  Raises RuntimeError where the graph has other ports.
        """
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            found = request.infer(dict(inputs), share_inputs=True)
            return {name: found[name] for name in outputs}
        finally:
            self._idle.append(request)


def _options(threads: int) -> dict[str, Any]:
    """How a graph is computed: as it is written, and one pass at a time on all the cores."""
    return {
        # By itself OpenVINO computes in bfloat16 where the processor can.
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        # The cores are shared with those that decode pictures and search.
        "ENABLE_CPU_PINNING": "NO",
    }
