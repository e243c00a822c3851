"""What each model of a repository computes of the network's layers."""

from __future__ import annotations

from dataclasses import dataclass

from alexnet_export.border import maps_beside
from alexnet_export.dialects import DIALECTS
from alexnet_export.errors import DeployError
from alexnet_export.graph import SINGLE
from alexnet_export.layers import Convolution, Dialect, FullyConnected
from alexnet_export.stages import Work, classifier_stage_name, sizes, stages
from alexnet_repository.repository import Repository


@dataclass(frozen=True)
class LayerShare:
    """What one part computes of a layer; ``layer`` is None for the classifier.

    ``activation`` and ``output`` are (maps, height, width) or (units,), before and after pooling;
    ``groups`` is the number of towers that a part computes side by side, apart from each other;
    ``again`` that of the other tower's maps which a part computes again, for its own norm.
    """

    name: str
    layer: Work | None
    activation: tuple[int, ...]
    output: tuple[int, ...]
    groups: int = 1
    again: int = 0


# By a model's name: its tower (None where it computes whole layers) and its layers.
Shares = dict[str, tuple[int | None, tuple[LayerShare, ...]]]


def layer_shares(repository: Repository, dialect_name: str) -> Shares:
    """Tower and layers of every model of the deployed layout, computed from the layer table.

    Raises DeployError on a dialect that is not known here.
    """
    manifest = repository.manifest
    dialect = DIALECTS.get(dialect_name)
    if dialect is None:
        raise DeployError(
            f"{repository.root} holds the dialect {dialect_name!r}; known here: "
            f"{', '.join(DIALECTS)}"
        )
    classes = len(repository.classes)
    if manifest.get("layout") == "single":
        return {SINGLE: (None, _shares_of(dialect, classes, dialect.layers, None))}
    found: Shares = {
        f"{stage.name}_tower{tower}": (tower, _shares_of(dialect, classes, stage.layers, tower))
        for stage in stages(dialect)
        for tower in range(dialect.towers)
    }
    found[classifier_stage_name(dialect)] = (None, _shares_of(dialect, classes, (), None))
    return found


def _shares_of(
    dialect: Dialect, classes: int, layers: tuple[Work, ...], tower: int | None
) -> tuple[LayerShare, ...]:
    """The layers as one tower computes them, or whole and with the classifier."""
    parts = 1 if tower is None else dialect.towers
    found = []
    for layer in layers:
        activation, output = sizes(dialect, layer)
        is_grouped = tower is None and _is_local(layer)
        found.append(
            LayerShare(
                name=layer.name,
                layer=layer,
                activation=(activation[0] // parts, *activation[1:]),
                output=(output[0] // parts, *output[1:]),
                groups=dialect.towers if is_grouped else 1,
                again=0 if tower is None else _again(layer, dialect.towers, tower),
            )
        )
    if tower is None:
        found.append(LayerShare(dialect.classifier, None, (classes,), (classes,)))
    return tuple(found)


def _is_local(layer: Work) -> bool:
    return isinstance(layer, Convolution | FullyConnected) and layer.connection == "local"


def _again(layer: Work, towers: int, tower: int) -> int:
    return len(maps_beside(layer, towers, tower)) if isinstance(layer, Convolution) else 0
