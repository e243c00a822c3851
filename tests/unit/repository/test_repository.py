"""What is refused before anything of a repository is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper

from alexnet_repository import graph_check
from alexnet_repository.errors import (
    NothingDeployed,
    RepositoryChanged,
    RepositoryError,
    UnsafeGraph,
)
from alexnet_repository.repository import open_repository
from alexnet_repository.steps import Step, waves
from tests.unit.repository.relisted import relist

GRAPH = "s5_fc8/1/model.onnx"


def test_a_deploy_opens(narrow_repository: Path) -> None:
    repository = open_repository(narrow_repository)
    assert repository.version == "1"
    assert repository.feature_units == 32
    assert repository.view_side == 224
    assert [step.model for wave in waves(repository.steps()) for step in wave] == sorted(
        step.model for step in repository.steps()
    )
    assert [len(wave) for wave in waves(repository.steps())] == [2, 2, 2, 2, 1]
    assert {step.device for step in repository.steps()} == {"cpu"}
    for step in repository.steps():
        assert repository.graph(step).is_file()


@pytest.mark.parametrize(
    "name",
    ["s5_fc8/1/model.onnx", "alexnet/config.pbtxt", "alexnet/labels.txt", "alexnet/golden.npz"],
)
def test_a_changed_byte_is_named(narrow_repository: Path, name: str) -> None:
    content = bytearray((narrow_repository / name).read_bytes())
    content[len(content) // 2] ^= 1
    (narrow_repository / name).write_bytes(content)
    with pytest.raises(RepositoryError, match=f"{name} was changed"):
        open_repository(narrow_repository)


def test_what_takes_no_square_views_has_no_side(narrow_repository: Path) -> None:
    repository = open_repository(narrow_repository)
    config = narrow_repository / "alexnet" / "config.pbtxt"
    text = config.read_text()
    known = 'name: "images"\n  data_type: TYPE_UINT8\n  dims: [224, 224, 3]'
    assert text.count(known) == 1
    for other in (
        *(
            known.replace("[224, 224, 3]", dims)
            for dims in ("[225, 224, 3]", "[3, 224, 224]", "[0, 0, 3]")
        ),
        known.replace("\n  dims: [224, 224, 3]", ""),
        known.replace("images", "pictures"),
    ):
        config.write_text(text.replace(known, other))
        with pytest.raises(RepositoryError, match=r"config\.pbtxt: images are .*\[side, side, 3\]"):
            _ = repository.view_side


def test_missing_and_unlisted_files_are_named(narrow_repository: Path) -> None:
    intruder = narrow_repository / "s5_fc8" / "1" / "model.py"
    intruder.write_text("import os")
    with pytest.raises(RepositoryError, match=r"model\.py is not listed"):
        open_repository(narrow_repository)
    intruder.unlink()
    (narrow_repository / "s5_fc8" / "config.pbtxt").unlink()
    with pytest.raises(RepositoryError, match=r"s5_fc8/config\.pbtxt is missing"):
        open_repository(narrow_repository)


def test_nothing_deployed(tmp_path: Path) -> None:
    with pytest.raises(NothingDeployed, match="alexnet-export deploy"):
        open_repository(tmp_path)


def test_links_are_no_files(narrow_repository: Path, tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere.onnx"
    (narrow_repository / GRAPH).rename(kept)
    (narrow_repository / GRAPH).symlink_to(kept)
    with pytest.raises(RepositoryChanged, match="is a link"):
        open_repository(narrow_repository)


def test_an_unreadable_manifest_is_named(narrow_repository: Path) -> None:
    for content in ("", "[]", "{}", '{"model": 1, "files": {}}', '{"files": 3}'):
        (narrow_repository / "alexnet" / "manifest.json").write_text(content)
        with pytest.raises(RepositoryError, match=r"manifest\.json cannot be read"):
            open_repository(narrow_repository)


def test_two_graphs_in_each_others_place(narrow_repository: Path) -> None:
    """Listed digests and all: whoever may write the manifest cannot swap the towers."""
    names = [f"s2_conv345_tower{tower}/1/model.onnx" for tower in (0, 1)]
    one, other = (narrow_repository / name for name in names)
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    for name in names:
        relist(narrow_repository, name)
    with pytest.raises(UnsafeGraph, match=r"s2_conv345_tower0.*'s2_conv345_tower1'.*swapped"):
        open_repository(narrow_repository)


def external(model: onnx.ModelProto, **entries: str) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)


def named_only(model: onnx.ModelProto) -> None:
    """The entries without the flag, which some readers follow too."""
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Loop"


def foreign_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def hidden_graph(model: onnx.ModelProto) -> None:
    graph = helper.make_graph([], "inside", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", graph))


def function(model: onnx.ModelProto) -> None:
    model.functions.add(name="Conv", domain="")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: external(model, location="../../../etc/passwd"), "external data"),
        (lambda model: external(model, location="/etc/passwd"), "external data"),
        (lambda model: external(model, location="weights.bin"), "external data"),
        (lambda model: external(model, location="w", length=str(2**50)), "external data"),
        (lambda model: external(model, location="w", offset="-4"), "external data"),
        (lambda model: external(model, location="w", __class__="x"), "external data"),
        (named_only, "external data"),
        (foreign_operator, r"operator ai\.onnx\.Loop"),
        (foreign_domain, r"operator com\.microsoft\.Concat"),
        (hidden_graph, "hides a tensor or a graph"),
        (function, "functions"),
    ],
)
def test_an_unsafe_graph_is_refused_whatever_the_manifest_says(
    narrow_repository: Path, change: Callable[[onnx.ModelProto], None], said: str
) -> None:
    path = narrow_repository / GRAPH
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    relist(narrow_repository, GRAPH)
    with pytest.raises(UnsafeGraph, match=said) as raised:
        open_repository(narrow_repository)
    assert str(path) in str(raised.value)


def test_a_hard_linked_weight_file_is_refused_with_its_graph(narrow_repository: Path) -> None:
    """Under a name that deploys write too."""
    path = narrow_repository / GRAPH
    model = onnx.load(path)
    external(model, location="../config.pbtxt")
    path.write_bytes(model.SerializeToString())
    path.parents[1].joinpath("config.pbtxt").unlink()
    os.link("/etc/hostname", path.parents[1] / "config.pbtxt")
    relist(narrow_repository, GRAPH)
    relist(narrow_repository, "s5_fc8/config.pbtxt")
    with pytest.raises(UnsafeGraph, match="external data"):
        open_repository(narrow_repository)


def test_no_graph_and_too_large_a_graph(
    narrow_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = narrow_repository / GRAPH
    kept = path.read_bytes()
    path.write_bytes(b"\xff" * 100)
    relist(narrow_repository, GRAPH)
    with pytest.raises(UnsafeGraph, match="not an ONNX file"):
        open_repository(narrow_repository)
    path.write_bytes(kept)
    relist(narrow_repository, GRAPH)
    largest = max(found.stat().st_size for found in narrow_repository.rglob("*.onnx"))
    monkeypatch.setattr(graph_check, "MAX_GRAPH_BYTES", largest)
    open_repository(narrow_repository)
    monkeypatch.setattr(graph_check, "MAX_GRAPH_BYTES", largest - 1)
    with pytest.raises(UnsafeGraph, match="at most"):
        open_repository(narrow_repository)


def test_steps_that_wait_for_each_other() -> None:
    one = Step("one", 1, "cpu", {"a": "second"}, {"b": "first"})
    two = Step("two", 1, "cpu", {"a": "first"}, {"b": "second"})
    with pytest.raises(RepositoryError, match="wait for each other"):
        waves((one, two))
