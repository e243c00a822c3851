"""A graph that is unsafe, or stands in another's place, is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from alexnet_repository.repository import open_repository
from tests.unit.export.verify.conftest import Refusals
from tests.unit.export.verify.parts import TOWERS
from tests.unit.repository.relisted import relist
from tests.unit.repository.test_repository import external, foreign_operator


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: external(model, location="../../../etc/passwd"), "external data"),
        (lambda model: external(model, location="/etc/passwd"), "external data"),
        (lambda model: external(model, location="w", offset="-4"), "external data"),
        (foreign_operator, "operator ai.onnx.Loop"),
    ],
)
def test_an_unsafe_graph_is_named(
    change: Callable[[onnx.ModelProto], None],
    said: str,
    root: Path,
    refused: Refusals,
) -> None:
    name = "s4_fc7_tower1/1/model.onnx"
    model = onnx.load(root / name)
    change(model)
    (root / name).write_bytes(model.SerializeToString())
    relist(root, name)
    for message in refused():
        assert said in message
        assert name in message


def swap(root: Path, stage: str, name: str, *, relisted: bool) -> None:
    one, other = (f"{stage}_tower{tower}{name}" for tower in (0, 1))
    (root / one).rename(root / "kept")
    (root / other).rename(root / one)
    (root / "kept").rename(root / other)
    if relisted:
        for place in (one, other):
            files = [root / place] if (root / place).is_file() else (root / place).rglob("*.*")
            for path in files:
                relist(root, path.relative_to(root).as_posix())


@pytest.mark.parametrize("stage", TOWERS)
@pytest.mark.parametrize(
    ("name", "relisted"),
    [("/1/model.onnx", False), ("", False), ("/1/model.onnx", True), ("", True)],
)
def test_swapped_towers_are_named(
    stage: str, name: str, relisted: bool, root: Path, refused: Refusals
) -> None:
    said = "holds the graph" if relisted else "was changed"
    swap(root, stage, name, relisted=relisted)
    assert all(f"{stage}_tower0/1/model.onnx {said}" in message for message in refused())


def test_towers_swapped_in_all_but_their_weights_answer_wrongly(
    root: Path, refused: Refusals
) -> None:
    """Names, ports, configurations and digests fit: only the known pictures can tell."""
    models = [onnx.load(root / f"s2_conv345_tower{tower}/1/model.onnx") for tower in (0, 1)]
    weights = [list(model.graph.initializer) for model in models]
    one, other = ([tensor.name for tensor in own] for own in weights)
    assert one == other
    for tower, model in enumerate(models):
        del model.graph.initializer[:]
        model.graph.initializer.extend(weights[1 - tower])
        name = f"s2_conv345_tower{tower}/1/model.onnx"
        (root / name).write_bytes(model.SerializeToString())
        relist(root, name)
    open_repository(root)
    assert all("known answers" in message for message in refused())
