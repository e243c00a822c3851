"""What a deployed repository computes where, and what its parts send each other.

Two borders are told apart.  Between the towers: a part reads what the other tower computed.
Between devices: what is read was also computed on another device, so that bytes really travel;
with both towers on one device nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from tritonclient.grpc import model_config_pb2 as triton

from alexnet_export.drawing.layer_share import LayerShare, Shares, layer_shares
from alexnet_export.errors import DeployError
from alexnet_export.member import member_name
from alexnet_repository.files import ENSEMBLE
from alexnet_repository.repository import Repository
from alexnet_repository.steps import Step, waves

# What the ports of our graphs hold: its name here and the bytes of one number.
_NUMBERS = {
    triton.TYPE_UINT8: ("uint8", 1),
    triton.TYPE_INT8: ("int8", 1),
    triton.TYPE_FP16: ("fp16", 2),
    triton.TYPE_FP32: ("fp32", 4),
}


@dataclass(frozen=True)
class Value:
    """What one part gives and others read; ``dims`` are those of one picture."""

    name: str
    dtype: str
    dims: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Part:
    """One graph of the ensemble.

    ``tower`` is the tower it belongs to.  A part that computes whole layers (``is_whole``: the
    classifier, the one graph of layout single) belongs to the first tower on its device.
    """

    step: Step
    tower: int
    is_whole: bool
    layers: tuple[LayerShare, ...]


@dataclass(frozen=True)
class Transfer:
    """A value that ``reader`` takes from another tower or another device."""

    value: Value
    maker: Part
    reader: Part

    @property
    def is_between_towers(self) -> bool:
        """Whether the other tower computed the value."""
        return self.maker.tower != self.reader.tower

    @property
    def is_between_devices(self) -> bool:
        """Whether the value has to leave the device it was computed on."""
        return self.maker.step.device != self.reader.step.device


@dataclass(frozen=True)
class Stage:
    """Parts that run at the same time, and what they first take from each other's side."""

    parts: tuple[Part, ...]
    exchange: tuple[Transfer, ...]

    @property
    def bytes_between_towers(self) -> int:
        """Bytes a picture that this stage's parts read from the other tower."""
        return sum(each.value.bytes for each in self.exchange if each.is_between_towers)

    @property
    def bytes_between_devices(self) -> int:
        """Bytes a picture that this stage's parts read from another device."""
        return sum(each.value.bytes for each in self.exchange if each.is_between_devices)


@dataclass(frozen=True)
class Dataflow:
    """The way of a picture through a repository."""

    manifest: dict[str, Any]
    stages: tuple[Stage, ...]
    images: Value
    answers: tuple[Value, ...]

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """The device of each tower, or the one device of the one graph."""
        parts = [part for stage in self.stages for part in stage.parts]
        by_tower = {part.tower: part.step.device for part in reversed(parts)}
        return tuple(by_tower[tower] for tower in sorted(by_tower))

    @property
    def exchanges(self) -> tuple[Stage, ...]:
        """The stages that begin with an exchange between the towers."""
        return tuple(stage for stage in self.stages if stage.exchange)

    @property
    def bytes_between_towers(self) -> int:
        """Bytes a picture that towers read of each other, all stages together."""
        return sum(stage.bytes_between_towers for stage in self.stages)

    @property
    def bytes_between_devices(self) -> int:
        """Bytes a picture that leave a device for another one, all stages together."""
        return sum(stage.bytes_between_devices for stage in self.stages)


def read_dataflows(repository: Repository) -> list[Dataflow]:
    """The dataflow of each network of a repository; of all but an averaged one there is one.

    Raises as ``read_dataflow`` does.
    """
    members = len(repository.manifest.get("members", ()))
    return [read_dataflow(repository, number) for number in range(1, members + 1)] or [
        read_dataflow(repository)
    ]


def read_dataflow(repository: Repository, number: int = 0) -> Dataflow:
    """Read the configurations of the ensemble and its parts; no graph is loaded.

    ``number``: of an averaged network the member to read, from 1.
    Raises DeployError where a part is not one of the dialect's, RepositoryError where a
    configuration cannot be read.
    """
    steps, dialect, prefix = repository.steps(), repository.manifest.get("dialect"), ""
    if number:
        dialect = repository.manifest["members"][number - 1]["dialect"]
        prefix = member_name(number)
        steps = tuple(step for step in steps if step.model.startswith(prefix))
    shares = {
        prefix + name: share for name, share in layer_shares(repository, str(dialect)).items()
    }
    for step in steps:
        if step.model not in shares:
            raise DeployError(
                f"the ensemble names the part {step.model!r}, which the dialect does not have "
                f"({', '.join(shares)}): show it with the version that deployed it"
            )
    parts = {step.model: _part(step, steps, shares) for step in steps}
    values, makers = _made(repository, parts)
    sent: set[tuple[str, int, str]] = set()
    found = []
    for wave in waves(steps):
        readers = tuple(parts[step.model] for step in wave)
        exchange = []
        for reader in readers:
            for name in reader.step.inputs.values():
                place = (name, reader.tower, reader.step.device)
                if name in makers and place not in sent:
                    sent.add(place)
                    exchange.append(Transfer(values[name], makers[name], reader))
        crossing = [each for each in exchange if each.is_between_towers or each.is_between_devices]
        crossing.sort(key=lambda each: (each.maker.tower, each.reader.tower))
        found.append(Stage(readers, tuple(crossing)))
    ensemble = repository.config(ENSEMBLE)
    return Dataflow(
        manifest=repository.manifest,
        stages=tuple(found),
        images=_value(ensemble.input[0].name, ensemble.input[0]),
        answers=tuple(_value(port.name, port) for port in ensemble.output),
    )


def _made(
    repository: Repository, parts: dict[str, Part]
) -> tuple[dict[str, Value], dict[str, Part]]:
    """Every value that a part gives, and that part, by the value's name."""
    values, makers = {}, {}
    for model, part in parts.items():
        ports = {port.name: port for port in repository.config(model).output}
        for port, name in part.step.outputs.items():
            values[name], makers[name] = _value(name, ports[port]), part
    return values, makers


def _part(step: Step, steps: tuple[Step, ...], shares: Shares) -> Part:
    tower, layers = shares[step.model]
    if tower is not None:
        return Part(step, tower, False, layers)
    beside = [shares[one.model][0] for one in steps if one.device == step.device]
    return Part(step, min((one for one in beside if one is not None), default=0), True, layers)


def _value(name: str, port: Any) -> Value:  # noqa: ANN401 (ModelInput or ModelOutput)
    if port.data_type not in _NUMBERS:
        kind = triton.DataType.Name(port.data_type)
        raise DeployError(f"{port.name} holds {kind}, which no port of ours does: deploy again")
    dtype, size = _NUMBERS[port.data_type]
    dims = tuple(int(side) for side in port.dims)
    return Value(name, dtype, dims, prod(dims) * size)
