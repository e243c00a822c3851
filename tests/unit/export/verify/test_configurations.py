"""Configurations, labels and versions that do not fit together are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.export.verify.conftest import Refusals
from tests.unit.repository.relisted import relist


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new, 1))
    relist(root, name)


@pytest.mark.parametrize(
    ("name", "edited", "said"),
    [
        ("conv1/config.pbtxt", ('"conv1"', '"conv2"'), "conv1/config.pbtxt is the configuration"),
        ("s5_fc8/config.pbtxt", ('"features"', '"feature"'), "gives 'feature' as nothing"),
        ("s5_fc8/config.pbtxt", ("TYPE_FP32", "TYPE_FP16"), "as FLOAT [16]"),
        ("s5_fc8/config.pbtxt", ("dims: [6]", "dims: [7]"), "'probabilities' as FLOAT [6]"),
        ("alexnet/config.pbtxt", ("dims: [6]", "dims: [7]"), "alexnet reads 'probabilities' as"),
        ("alexnet/config.pbtxt", ('"s3_fc6_tower1"', '"s3_fc6"'), "through s3_fc6/1, which is not"),
        (
            "alexnet/config.pbtxt",
            ("model_version: 1", "model_version: 2"),
            "/2, which is not there",
        ),
        (
            "alexnet/config.pbtxt",
            ('key: "images"', 'key: "image"'),
            "the inputs of s1_conv12_tower0",
        ),
        ("alexnet/config.pbtxt", ('value: "images"', 'value: "photos"'), "reads 'photos' as UINT8"),
        ("alexnet/config.pbtxt", ('value: "conv2_tower1"', 'value: "conv2_tower0"'), "given twice"),
        ("alexnet/labels.txt", ("flower", "house"), "labels.txt holds other labels"),
        ("alexnet/labels.txt", ("square\n", "square\nmore\n"), "labels.txt holds other labels"),
    ],
)
def test_files_that_do_not_fit_together_are_named(
    name: str, edited: tuple[str, str], said: str, root: Path, refused: Refusals
) -> None:
    edit(root, name, *edited)
    for message in refused():
        assert said in message
        assert Path(name).parts[0] in message


def test_versions_that_do_not_fit_together(root: Path, refused: Refusals) -> None:
    manifest = root / "alexnet" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": "1"', '"version": "2"'))
    assert all("holds the versions 1, but the manifest is of version 2" in m for m in refused())
    manifest.write_text(manifest.read_text().replace('"version": "2"', '"version": "1"'))
    (root / "alexnet" / "7").mkdir()
    assert all("holds the versions 1, 7" in said for said in refused())
