"""Several networks as one: their predictions averaged (paper, section 6).

Each member keeps its graphs, under names of its own, and reads the same pictures; one graph more
takes the mean of their probabilities.  The features are the first member's: the units of two
networks have nothing to do with each other, so a mean of features would mean nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from alexnet_export.checkpoint import Checkpoint, load_checkpoint
from alexnet_export.errors import CheckpointError
from alexnet_export.graph import FEATURES, PROBABILITIES, Graph, answer_ports, as_model
from alexnet_export.member import AVERAGE, member_name

_MOST = 99


def load_members(places: Sequence[Path]) -> list[tuple[Checkpoint, str]]:
    """Checkpoints and their sha256, which can be one network.

    Raises CheckpointError where they have other classes, see pictures of another size, or are the
    same twice.
    """
    found = [load_checkpoint(place) for place in places]
    if len(found) > _MOST:
        raise CheckpointError(f"{len(found)} networks are too many to average: at most {_MOST}")
    first, place = found[0][0], places[0]
    seen: dict[str, Path] = {}
    for (checkpoint, digest), other in zip(found, places, strict=True):
        if digest in seen:
            raise CheckpointError(f"{seen[digest]} and {other} are the same network: name it once")
        seen[digest] = other
        if checkpoint.classes != first.classes:
            raise CheckpointError(
                f"{place} knows {_some(first.classes)} and {other} {_some(checkpoint.classes)}: "
                "networks are averaged over the same classes in the same order"
            )
        side, own = first.dialect.image_side, checkpoint.dialect.image_side
        if side != own:
            raise CheckpointError(
                f"{place} ({first.dialect.name}) sees {side} pixels a side and {other} "
                f"({checkpoint.dialect.name}) {own}: they cannot read the same pictures"
            )
        if first.dialect.feature_units != checkpoint.dialect.feature_units:
            raise CheckpointError(f"{place} and {other} have features of other lengths")
    return found


def _some(classes: tuple[str, ...]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}, ...)"


def digest_of(digests: Sequence[str]) -> str:
    """Tells a model from others: its checkpoint's sha256, of several that of theirs in order."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def averaged(members: Sequence[list[Graph]], checkpoint: Checkpoint) -> list[Graph]:
    """The graphs of all members, the first of which is ``checkpoint``, and that of the mean."""
    graphs = [
        _as_member(graph, number)
        for number, member in enumerate(members, start=1)
        for graph in member
    ]
    return [*graphs, _mean(len(members), checkpoint)]


def _as_member(graph: Graph, number: int) -> Graph:
    """The same graph under the member's name; of its answers only the first gives features."""
    model, outputs = onnx.ModelProto(), graph.outputs
    model.CopyFrom(graph.model)
    name = member_name(number) + graph.name
    model.graph.name = name
    if number > 1 and FEATURES in [port.name for port in outputs]:
        outputs = tuple(port for port in outputs if port.name != FEATURES)
        for parts in (model.graph.node, model.graph.output):
            for part in list(parts):
                if FEATURES in (getattr(part, "name", ""), *getattr(part, "output", ())):
                    parts.remove(part)
    # All members run at once: none of their queues may be full (model_config.py says why).
    member = member_name(number)
    return replace(graph, name=name, model=model, outputs=outputs, member=member, is_paired=True)


def _mean(count: int, checkpoint: Checkpoint) -> Graph:
    """Probabilities float32 [N, classes] of every member -> their mean."""
    _, answer = answer_ports(checkpoint)
    inputs = tuple(replace(answer, name=member_name(n) + PROBABILITIES) for n in _numbers(count))
    nodes, total = [], inputs[0].name
    for number, port in enumerate(inputs[1:], start=2):
        nodes.append(helper.make_node("Add", [total, port.name], [f"sum_of_{number}"]))
        total = f"sum_of_{number}"
    share = numpy_helper.from_array(np.array(1 / count, np.float32), "share")
    nodes.append(helper.make_node("Mul", [total, share.name], [PROBABILITIES]))
    model = as_model(AVERAGE, nodes, inputs, (answer,), [share])
    about = f"The mean of what {count} networks answer, on the device of tower 0."
    return Graph(AVERAGE, about, 0, inputs, (answer,), model)


def _numbers(count: int) -> range:
    return range(1, count + 1)
