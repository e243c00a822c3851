"""The steps on the processor as one graph, so that the split costs little where it gains nothing.

Nine graphs have nine sets of threads.  In ONNX Runtime, threads that wait spinning take the cores
from the next step for some 25 ms (at batch 1 the towers then cost twice the single graph), threads
that sleep miss its beginning (1.2 to 1.4 times), and two towers on a thread each wait for each
other whenever one of two cores is taken (up to 1.8 times).  One graph costs what
benchmarks/towers.py says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import onnx

from alexnet_repository.errors import RepositoryError
from alexnet_repository.repository import Repository
from alexnet_repository.steps import Step


def join(repository: Repository, steps: Iterable[Step], whole: Step) -> bytes:
    """One ONNX file that does as ``whole`` what ``steps`` do, given in the order of the data.

    Inside it has the names of the ensemble's values.  Raises RepositoryError where the graphs are
    of different operator sets.
    """
    joined = _Joined()
    for step in steps:
        joined.add(step, onnx.load(repository.graph(step), load_external_data=False))
    return joined.serialized(whole.inputs, whole.outputs)


class _Joined:
    def __init__(self) -> None:
        self._model = onnx.ModelProto()
        self._ports: dict[str, onnx.ValueInfoProto] = {}
        self._tensors: dict[bytes, str] = {}

    def add(self, step: Step, model: onnx.ModelProto) -> None:
        """Add a step's nodes and weights under names that no other step has."""
        graph = self._model.graph
        names = {**step.inputs, **step.outputs}
        for tensor in model.graph.initializer:
            name = tensor.name
            names[name] = self._shared(tensor, f"{step.model}/{name}")
        for node in model.graph.node:
            for ports in (node.input, node.output):
                ports[:] = [names.get(name) or (name and f"{step.model}/{name}") for name in ports]
            node.name = f"{step.model}/{node.name}"
            graph.node.append(node)
        self._connect(step, model.graph)
        if self._model.opset_import and self._model.opset_import != model.opset_import:
            raise RepositoryError(
                f"{step.model} is written in another operator set than the steps before it: "
                "deploy again"
            )
        self._model.ir_version = model.ir_version
        del self._model.opset_import[:]
        self._model.opset_import.extend(model.opset_import)

    def serialized(self, inputs: Iterable[str], outputs: Iterable[str]) -> bytes:
        """The whole as one file's bytes."""
        self._model.graph.name = "joined"
        self._model.graph.input.extend(self._ports[name] for name in inputs)
        self._model.graph.output.extend(self._ports[name] for name in outputs)
        return bytes(self._model.SerializeToString())

    def _shared(self, tensor: onnx.TensorProto, name: str) -> str:
        # Both towers begin with the same mean: under one name it is taken from a picture once.
        tensor.name = ""
        digest = hashlib.sha256(tensor.SerializeToString()).digest()
        if digest not in self._tensors:
            self._tensors[digest] = tensor.name = name
            self._model.graph.initializer.append(tensor)
        return self._tensors[digest]

    def _connect(self, step: Step, graph: onnx.GraphProto) -> None:
        for port in graph.input:
            port.name = step.inputs[port.name]
            self._ports.setdefault(port.name, port)
        for port in graph.output:
            port.name = step.outputs[port.name]
            self._ports[port.name] = port
