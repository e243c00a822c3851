"""Triton's ``onnxruntime`` backend, in Python: runs ``<model>/<version>/model.onnx`` on a CPU.

NVIDIA's container has a backend of this name, in C++.  The wheel the local Triton comes from has
none, so this one takes its place, through Triton's Python backend.  The server, the repository,
``config.pbtxt``, batching, queues and versions are the same; what differs is that every instance
is a process of its own, that tensors reach it through shared memory, and that it knows only CPUs.

Triton imports this file in each instance's process and asks for ``TritonPythonModel`` by name;
``triton_python_backend_utils`` exists only there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """One instance of one version of a model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the graph.  Raises TritonModelException, which fails the load and says why."""
        if args["model_instance_kind"] != "CPU":
            raise triton.TritonModelException(
                f"{args['model_name']} wants a {args['model_instance_kind']}, and the local Triton "
                "has CPUs only: deploy with --devices cpu"
            )
        config = json.loads(args["model_config"])
        self._inputs = [port["name"] for port in config["input"]]
        self._outputs = [port["name"] for port in config["output"]]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["ONNXRUNTIME_THREADS"])  # see start.py
        # A dozen processes share the cores: one that waits must not keep a core busy.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            Path(triton.get_model_dir(), "model.onnx"), options, ["CPUExecutionProvider"]
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests of one dynamic batch, in their order, by one pass of the graph.

        Every request's rows are joined to one batch and the answer's rows are dealt out again.
        A pass that fails becomes an error of each of its requests; the instance goes on.
        """
        batch = {
            name: np.concatenate([_tensor(request, name) for request in requests])
            for name in self._inputs
        }
        try:
            answers = self._session.run(self._outputs, batch)
        except Exception as error:  # noqa: BLE001 (the boundary of a request)
            return [_refusal(error) for _ in requests]
        counts = [len(_tensor(request, self._inputs[0])) for request in requests]
        ends = np.cumsum(counts)[:-1]
        shares = zip(*(np.split(answer, ends) for answer in answers), strict=True)
        return [_response(dict(zip(self._outputs, rows, strict=True))) for rows in shares]


# Tensors pass as DLPack, never as_numpy() or Tensor(array): the wheel's C++ half was built against
# NumPy 1 and reads the item size of a NumPy 2 array as 0, which gives wrong numbers and no error.
def _tensor(request: Any, name: str) -> np.ndarray:  # noqa: ANN401 (Triton's own type)
    return np.from_dlpack(triton.get_input_tensor_by_name(request, name))


def _response(answers: dict[str, np.ndarray]) -> Any:  # noqa: ANN401 (Triton's own type)
    return triton.InferenceResponse(
        [triton.Tensor.from_dlpack(name, rows) for name, rows in answers.items()]
    )


def _refusal(error: Exception) -> Any:  # noqa: ANN401 (Triton's own type)
    return triton.InferenceResponse([], triton.TritonError(f"ONNX Runtime: {error}"))
