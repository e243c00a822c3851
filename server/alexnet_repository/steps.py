"""The way of the data through a repository's ensemble: which graph runs where, and after which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from tritonclient.grpc import model_config_pb2 as triton

from alexnet_repository.errors import RepositoryError


@dataclass(frozen=True)
class Step:
    """One graph of the ensemble.

    ``device`` is ``cpu`` or ``cuda:N``; ``inputs`` and ``outputs`` name the ensemble's value
    behind each port of the graph.
    """

    model: str
    version: int
    device: str
    inputs: dict[str, str]
    outputs: dict[str, str]


def waves(steps: Sequence[Step]) -> tuple[tuple[Step, ...], ...]:
    """Steps in the order of the data; those of one wave wait for nothing of each other.

    Raises RepositoryError where a step waits for its own output.
    """
    by_model = {step.model: step for step in steps}
    maker = {value: step.model for step in steps for value in step.outputs.values()}
    sorter = TopologicalSorter(
        {
            step.model: {maker[value] for value in step.inputs.values() if value in maker}
            for step in steps
        }
    )
    try:
        sorter.prepare()
    except CycleError as error:
        raise RepositoryError(f"the ensemble's steps wait for each other: {error}") from error
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        sorter.done(*ready)
        found.append(tuple(by_model[model] for model in ready))
    return tuple(found)


def device(config: triton.ModelConfig) -> str:
    """Where ``instance_group`` places a model.  Raises RepositoryError where it does not say."""
    group = config.instance_group[0] if config.instance_group else None
    if group is not None and group.kind == triton.ModelInstanceGroup.KIND_CPU:
        return "cpu"
    if group is not None and group.kind == triton.ModelInstanceGroup.KIND_GPU and group.gpus:
        return f"cuda:{group.gpus[0]}"
    raise RepositoryError(f"{config.name}: instance_group names neither the CPU nor a GPU")
