"""What is read of a manifest, and what tells one deploy from another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import deployed, read_manifest
from alexnet_repository.repository import open_repository

KNOWN: dict[str, Any] = {
    "model": {"name": "alexnet", "version": "1", "digest": "ab"},
    "classes": ["cat", "dog"],
    "files": {"alexnet/labels.txt": "cd"},
    "precision": "fp32",
}


def write(root: Path, manifest: object) -> None:
    (root / "alexnet").mkdir(exist_ok=True)
    (root / "alexnet" / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("classes", value) for value in (None, "cat", [], [1], {"cat": 1})],
        *[("files", value) for value in (None, [], [["a", "b"]], {"a": 1})],
        *[("model", value) for value in (None, [], "alexnet")],
        *[("version", value) for value in (None, 1, "", "one", "-1", "²")],
        *[("digest", value) for value in (None, 1)],
        *[("name", value) for value in (None, 1)],
        *[("precision", value) for value in (None, 1, ["fp32"])],
        *[("devices", value) for value in (None, "cpu", [0])],
        *[("layout", value) for value in (None, 1)],
    ],
)
def test_a_value_of_a_wrong_type_is_named(tmp_path: Path, key: str, value: object) -> None:
    write(tmp_path, KNOWN)
    assert read_manifest(tmp_path) == KNOWN
    inside = {"model": KNOWN["model"] | {key: value}} if key in KNOWN["model"] else {key: value}
    write(tmp_path, KNOWN | inside)
    with pytest.raises(RepositoryError, match=rf"manifest\.json cannot be read: '{key}' is not"):
        open_repository(tmp_path)


def test_a_noted_parity_table_makes_no_other_deploy(tmp_path: Path) -> None:
    assert deployed(tmp_path) is None
    write(tmp_path, KNOWN)
    stamp = deployed(tmp_path)
    write(tmp_path, {"parity_table": {"pictures": 3}} | KNOWN)
    assert deployed(tmp_path) == stamp
    for other in (
        KNOWN | {"model": KNOWN["model"] | {"version": "2"}},
        KNOWN | {"files": {"alexnet/labels.txt": "ef"}},
        KNOWN | {"precision": "int8"},
        [],
    ):
        write(tmp_path, other)
        assert deployed(tmp_path) not in (stamp, None)
    (tmp_path / "alexnet" / "manifest.json").write_text("{")
    assert deployed(tmp_path) == b"{"
