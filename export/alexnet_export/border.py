"""The maps on both sides of the border between the towers, which a norm across it reads.

Maps are counted through both towers: tower 0's come first.
"""

from __future__ import annotations

from alexnet_export.layers import Convolution


def own_rows(rows: int, towers: int, tower: int) -> range:
    """The part of a layer's maps or units that a tower computes."""
    width = rows // towers
    return range(tower * width, (tower + 1) * width)


def maps_beside(layer: Convolution, towers: int, tower: int) -> range:
    """The other tower's maps that the norm of a tower reads; none where it ends at the border.

    Raises ValueError where there are more than two towers, and so more than one border.
    """
    if layer.norm is None or layer.norm.reach == "tower":
        return range(0)
    if towers != 2:
        raise ValueError(f"{layer.name}: a norm across the border is for two towers, not {towers}")
    other = own_rows(layer.channels, towers, 1 - tower)
    reach = min(layer.norm.size // 2, len(other))
    return other[:reach] if other.start else other[-reach:]


def sent_maps(layer: Convolution, towers: int, tower: int) -> range:
    """The maps of a tower that the norm of the other one reads; raises as ``maps_beside`` does."""
    return maps_beside(layer, towers, 1 - tower)
