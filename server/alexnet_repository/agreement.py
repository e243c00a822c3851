"""Whether the files of a repository agree: names, configurations, graphs, labels, versions.

Digests cannot tell: a manifest may list files that do not fit together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from onnx import TensorProto
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_repository.errors import FilesDisagree, ForeignContent
from alexnet_repository.files import (
    CONFIG_FILE,
    ENSEMBLE,
    GOLDEN_FILE,
    GRAPH_FILE,
    KEEP_FILE,
    LABELS_FILE,
)
from alexnet_repository.graph_check import Port, Ports

_DTYPES = {
    triton.TYPE_FP32: TensorProto.FLOAT,
    triton.TYPE_FP16: TensorProto.FLOAT16,
    triton.TYPE_UINT8: TensorProto.UINT8,
    triton.TYPE_INT8: TensorProto.INT8,
}
_PORTS = frozenset({"name", "max_batch_size", "input", "output"})
# All that a deploy sets.  Others name files to run (default_model_filename, runtime), load
# libraries (model_operations, parameters) or send requests elsewhere (backend).
_ENSEMBLE_SETTINGS = _PORTS | {"platform", "ensemble_scheduling"}
_PART_SETTINGS = _PORTS | {
    *("backend", "platform", "instance_group", "version_policy"),
    *("dynamic_batching", "model_warmup", "optimization"),
}
_PART_PLATFORMS = ("", "onnxruntime_onnx")


def require_names(root: Path, names: Iterable[str]) -> None:
    """Raise ForeignContent on a path that no deploy writes, such as a backend's Python file."""
    for name in names:
        if not _is_ours(name):
            raise ForeignContent(f"{root / name} is no file that a deploy writes: deploy again")


def require_agreement(
    root: Path,
    manifest: Mapping[str, Any],
    configs: Mapping[str, triton.ModelConfig],
    graphs: Mapping[str, Ports],
) -> None:
    """Raise FilesDisagree, naming the file, where one does not fit the others.

    ``configs`` by the models' folders; ``graphs`` by ``model/version``.  Raises ForeignContent on
    a setting that no deploy writes.
    """
    _require_labels(root, manifest)
    _require_version(root, manifest)
    for model, config in configs.items():
        if config.name != model:
            raise FilesDisagree(
                f"{root / model / CONFIG_FILE} is the configuration of {config.name!r}: were two "
                "models swapped?"
            )
        fault = _foreign(config)
        if fault:
            raise ForeignContent(
                f"{root / model / CONFIG_FILE} {fault}, which no deploy writes: deploy again"
            )
    for name, ports in graphs.items():
        model, version = name.split("/")
        if model not in configs:
            raise FilesDisagree(f"{root / model} has no {CONFIG_FILE}: deploy again")
        path = root / model / version / GRAPH_FILE
        _require_ports(path, "reads", _ports(configs[model].input), ports.inputs)
        _require_ports(path, "gives", _ports(configs[model].output), ports.outputs)
    _require_way(root / ENSEMBLE / CONFIG_FILE, configs, graphs)


def _is_ours(name: str) -> bool:
    """Whether a deploy writes a file of that path in the root."""
    match name.split("/"):
        case [_, file] if file == CONFIG_FILE:
            return True
        case [model, file] if model == ENSEMBLE:
            return file in (LABELS_FILE, GOLDEN_FILE)
        case [model, version, file] if version.isascii() and version.isdecimal():
            return file == (KEEP_FILE if model == ENSEMBLE else GRAPH_FILE)
    return False


def _foreign(config: triton.ModelConfig) -> str:
    """What a configuration says that no deploy writes; empty where there is nothing."""
    is_ensemble = config.name == ENSEMBLE
    settings = _ENSEMBLE_SETTINGS if is_ensemble else _PART_SETTINGS
    for field, _ in config.ListFields():
        if field.name not in settings:
            return f"sets {field.name}"
    if not is_ensemble and config.backend != "onnxruntime":
        return f"names the backend {config.backend!r}"
    if config.platform not in (("ensemble",) if is_ensemble else _PART_PLATFORMS):
        return f"names the platform {config.platform!r}"
    # Read without its accelerators for GPUs, which may be "cuda", nothing may be left.
    rest = triton.ModelOptimizationPolicy()
    rest.CopyFrom(config.optimization)
    names = {each.name for each in rest.execution_accelerators.gpu_execution_accelerator}
    rest.execution_accelerators.ClearField("gpu_execution_accelerator")
    if names - {"cuda"} or rest.execution_accelerators.ListFields():
        return "names an execution accelerator other than cuda"
    rest.ClearField("execution_accelerators")
    if rest.ListFields():
        return "sets more of optimization than its accelerators"
    return ""


def _require_labels(root: Path, manifest: Mapping[str, Any]) -> None:
    path = root / ENSEMBLE / LABELS_FILE
    wanted = "".join(f"{name}\n" for name in manifest["classes"])
    if path.read_bytes() != wanted.encode(errors="surrogatepass"):
        raise FilesDisagree(f"{path} holds other labels than the manifest's classes: deploy again")


def _require_version(root: Path, manifest: Mapping[str, Any]) -> None:
    wanted = str(manifest["model"]["version"])
    found = [path.name for path in (root / ENSEMBLE).iterdir() if path.is_dir()]
    if found != [wanted]:
        raise FilesDisagree(
            f"{root / ENSEMBLE} holds the versions {', '.join(sorted(found)) or 'none'}, but the "
            f"manifest is of version {wanted}: deploy again"
        )


def _ports(ports: Iterable[Any]) -> dict[str, Port]:
    return {port.name: (_DTYPES.get(port.data_type, 0), tuple(port.dims)) for port in ports}


def _require_ports(
    path: Path, does: str, configured: dict[str, Port], found: dict[str, Port]
) -> None:
    for name in sorted(configured.keys() | found.keys()):
        if configured.get(name) != found.get(name):
            raise FilesDisagree(
                f"{path} {does} {name!r} as {_said(found.get(name))}, its {CONFIG_FILE} says "
                f"{_said(configured.get(name))}: deploy again"
            )


def _said(port: Port | None) -> str:
    if port is None:
        return "nothing"
    dtype, dims = port
    return f"{TensorProto.DataType.Name(dtype)} {list(dims)}"


def _require_way(
    path: Path, configs: Mapping[str, triton.ModelConfig], graphs: Mapping[str, Ports]
) -> None:
    """Whether the ensemble leads every value from who gives it to who reads it."""
    ensemble = configs[ENSEMBLE]
    values = _ports(ensemble.input)
    read: list[tuple[str, str, Port]] = []
    for step in ensemble.ensemble_scheduling.step:
        model, name = step.model_name, f"{step.model_name}/{step.model_version}"
        if name not in graphs:
            raise FilesDisagree(f"{path} leads through {name}, which is not there: deploy again")
        ports = graphs[name]
        for what, mapped, found in (
            ("input", step.input_map, ports.inputs),
            ("output", step.output_map, ports.outputs),
        ):
            if set(mapped) != set(found):
                odd = ", ".join(sorted(set(mapped) ^ set(found)))
                raise FilesDisagree(f"{path}: the {what}s of {model} do not fit its graph: {odd}")
        read += [(model, value, ports.inputs[port]) for port, value in step.input_map.items()]
        for port, value in step.output_map.items():
            if value in values:
                raise FilesDisagree(f"{path}: {value!r} is given twice, the last time by {model}")
            values[value] = ports.outputs[port]
    read += [(ENSEMBLE, name, port) for name, port in _ports(ensemble.output).items()]
    for model, value, port in read:
        if values.get(value) != port:
            raise FilesDisagree(
                f"{path}: {model} reads {value!r} as {_said(port)}, but is given "
                f"{_said(values.get(value))}: deploy again"
            )
