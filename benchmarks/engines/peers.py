"""The same network by others: PyTorch, and ONNX Runtime and OpenVINO on PyTorch's own export.

What they run is one network of two groups with PyTorch's own norm, as somebody has it who did not
split it, behind the same mean, scale and layout as ours: uint8 [n, side, side, 3] goes in.
"""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import torch

from alexnet_export.checkpoint import Checkpoint
from benchmarks.engines.plain import Plain
from benchmarks.engines.rows import Features, Images, Way


def peers(checkpoint: Checkpoint, folder: Path) -> dict[str, Way]:
    """Every peer on all the cores this process has; the export is written to ``folder``."""
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    plain = Plain(checkpoint).eval()
    graph = folder / "plain.onnx"
    export(plain, checkpoint.dialect.image_side, graph)
    return {
        "PyTorch eager": Way("fp32", _torch(plain)),
        "PyTorch compiled": _compiled(plain),
        "ONNX Runtime": Way("fp32", _onnxruntime(graph, cores)),
        "OpenVINO f32": Way("fp32", _openvino(graph, cores, "f32")),
        "OpenVINO bf16": Way("bf16", _openvino(graph, cores, "bf16"), _bf16_note()),
    }


def export(plain: Plain, side: int, path: Path) -> None:
    """Write the plain graph, with a free batch, by PyTorch's exporter that needs nothing else."""
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        # PyTorch calls this exporter the older one; the other needs a package more.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            plain,
            (example,),
            str(path),
            dynamo=False,
            input_names=["images"],
            output_names=["features", "probabilities"],
            dynamic_axes={name: {0: "n"} for name in ("images", "features", "probabilities")},
        )


def _torch(network: Any) -> Any:  # noqa: ANN401 (a compiled network is no nn.Module to mypy)
    def run(images: Images) -> Features:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(images))[0].numpy())

    return run


def _compiled(plain: Plain) -> Way:
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        return Way("fp32", _torch(plain), "no C++ compiler here: this is eager again")
    return Way("fp32", _torch(torch.compile(plain, dynamic=False)))


def _onnxruntime(graph: Path, cores: int) -> Any:  # noqa: ANN401 (a closure, as above)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["features"], {"images": images})[0]


def _openvino(graph: Path, cores: int, precision: str) -> Any:  # noqa: ANN401 (as above)
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(cores),
    }
    compiled = openvino.Core().compile_model(str(graph), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda images: request.infer({"images": images}, share_inputs=True)["features"]


def _bf16_note() -> str:
    flags = Path("/proc/cpuinfo").read_text()
    if "amx_bf16" in flags or "avx512_bf16" in flags:
        return ""
    return "this processor has no bf16 products: emulated, or computed in f32"
