"""Where the network is cut: a stage begins wherever a layer reads both towers.

For alexnet2012 this gives the paper's figure 2: conv1-conv2, conv3-conv5, fc6, fc7, fc8.
"""

from __future__ import annotations

from dataclasses import dataclass

from alexnet_export.layers import Dialect, Layer


@dataclass(frozen=True)
class Stage:
    """Layers that run without hearing from the other tower; ``name`` sorts in data order."""

    name: str
    layers: tuple[Layer, ...]


def stages(dialect: Dialect) -> tuple[Stage, ...]:
    """Cut a dialect's layers, the classifier aside, at every exchange between the towers."""
    groups: list[list[Layer]] = []
    for layer in dialect.convolutions:
        if layer.connection == "full":
            groups.append([layer])
        else:
            groups[-1].append(layer)
    groups += [[layer] for layer in dialect.fully_connected]
    return tuple(
        Stage(_name(number, [layer.name for layer in group]), tuple(group))
        for number, group in enumerate(groups, start=1)
    )


def classifier_stage_name(dialect: Dialect) -> str:
    """Name of the last stage, which reads both towers and runs once."""
    return _name(len(stages(dialect)) + 1, [dialect.classifier])


def _name(number: int, layers: list[str]) -> str:
    # ["conv3", "conv4", "conv5"] -> s2_conv345
    kind = layers[0].rstrip("0123456789")
    return f"s{number}_{kind}" + "".join(layer.removeprefix(kind) for layer in layers)
