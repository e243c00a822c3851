"""The tables of ``docs/models.md``, made from the layer table.

``python -m tests.model_tables`` writes them anew.
"""

from __future__ import annotations

import re
from itertools import pairwise
from math import prod
from pathlib import Path

from alexnet_export.border import maps_beside
from alexnet_export.dialects import ALEXNET2012, CAFFE, CAFFE224, TORCHVISION
from alexnet_export.layers import Convolution, Dialect, Norm, Pool, Sides, shapes
from alexnet_export.stages import numbered, sizes, stages

# The public networks beside the one of the paper.
_SHOWN = (ALEXNET2012, CAFFE, CAFFE224, TORCHVISION)
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "models.md"
_CLASSES = 1000  # section 2: the classes of ILSVRC
_FLOAT32_BYTES = 4


def model_tables() -> dict[str, str]:
    """Every generated table in Markdown, by its name in the document."""
    return {"layers": _layers(), "crossing": _crossing()}


def with_tables(text: str) -> str:
    """The document with each table in its place, between ``<!-- NAME -->`` and ``<!-- end -->``."""
    for name, table in model_tables().items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->\n)", re.DOTALL)
        text, count = place.subn(lambda found, new=table: f"{found[1]}{new}{found[2]}", text)
        if count != 1:
            raise ValueError(f"{DOCUMENT.name} has {count} places for the table {name!r}, not 1")
    return text


def crossing_bytes(dialect: Dialect) -> dict[str, int]:
    """Bytes a picture in fp32 that two towers read of each other, by the layer that reads them."""
    found = {}
    for before, stage in pairwise(stages(dialect)):
        _, (maps, *rest) = sizes(dialect, before.layers[-1])
        if before.border is not None:
            maps = sum(len(maps_beside(before.border, dialect.towers, tower)) for tower in (0, 1))
        found[stage.layers[0].name] = prod((maps, *rest)) * _FLOAT32_BYTES
    # fc8 runs beside tower 0 alone: only tower 1's half goes to it.
    found[dialect.classifier] = dialect.feature_units // 2 * _FLOAT32_BYTES
    return found


def _layers() -> str:
    networks = [_facts(dialect) for dialect in _SHOWN]
    rows = []
    for layer, facts in networks[0].items():
        title = layer
        for name in facts:
            cells = [network[layer][name] for network in networks]
            if any(cells):
                rows.append([title, name, *(cell or "none" for cell in cells)])
                title = ""
    return _table(["layer", "", *(dialect.name for dialect in _SHOWN)], rows)


def _crossing() -> str:
    networks = [crossing_bytes(dialect) for dialect in _SHOWN]
    first = _SHOWN[0]
    order = [name for layer in first.layers for name in (layer.name, numbered("norm", layer))]
    rows = [
        [name, *(f"{network[name]:,}" if name in network else "" for network in networks)]
        for name in [*order, first.classifier]
        if any(name in network for network in networks)
    ]
    rows.append(["together", *(f"{sum(network.values()):,}" for network in networks)])
    return _table(["before", *(dialect.name for dialect in _SHOWN)], rows)


def _facts(dialect: Dialect) -> dict[str, dict[str, str]]:
    """What is said of each layer, in the order of the data; what it does not have is empty."""
    layers = {layer.name: layer for layer in dialect.layers}
    found = {"picture": {"": _size((dialect.image_side, dialect.image_side))}}
    for shape in shapes(dialect, _CLASSES):
        layer = layers.get(shape.name)
        facts = found[shape.name] = {}
        if isinstance(layer, Convolution):
            is_first = layer is dialect.convolutions[0]
            facts["kernels"] = f"{_size((layer.kernel, layer.kernel))}, stride {layer.stride}"
            facts["padding"] = _sides(layer.padding)
            facts["maps"] = f"{shape.activation[0]} of {_size(shape.activation[1:])}"
            facts["reads"] = "the picture" if is_first else _TOWERS[layer.connection]
            facts["norm"] = _norm(layer.norm)
            facts["pool"] = _pool(layer.pool)
            pooled = f"{shape.output[0]} of {_size(shape.output[1:])}"
            facts["pooled"] = pooled if layer.pool else ""
        else:
            facts["units"] = f"{shape.output[0]:,}"
            facts["reads"] = f"{shape.weight[1]:,} of {_TOWERS['full']}"
        facts["weights, biases"] = f"{shape.parameters:,}"
    together = sum(shape.parameters for shape in shapes(dialect, _CLASSES))
    return found | {"together": {"weights, biases": f"{together:,}"}}


_TOWERS = {"local": "own tower", "full": "both towers"}


def _norm(norm: Norm | None) -> str:
    if norm is None:
        return ""
    where = {"tower": "in the tower", "both": "across the border"}[norm.reach]
    return f"size {norm.size}, alpha {norm.alpha:g}, beta {norm.beta:g}, k {norm.k:g}, {where}"


def _pool(pool: Pool | None) -> str:
    if pool is None:
        return ""
    beyond = f", {_sides(pool.padding)} beyond" if any(pool.padding) else ""
    return f"{_size((pool.kernel, pool.kernel))}, stride {pool.stride}{beyond}"


def _sides(sides: Sides) -> str:
    if len(set(sides)) == 1:
        return str(sides[0] or "")
    named = zip(sides, ("above", "left", "below", "right"), strict=True)
    return ", ".join(f"{count} {side}" for count, side in named if count)


def _size(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "".join(f"| {cell} " if cell else "| " for cell in line) + "|\n" for line in lines
    )


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
