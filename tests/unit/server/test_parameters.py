from __future__ import annotations

import pytest

from alexnet_server.errors import BadIdentifier, BadMetadata, BadParameter
from alexnet_server.parameters import Parameters, identifier, label, metadata
from alexnet_server.settings import Limits


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadParameter, match="'topk'; known are top_k"):
        Parameters({"topk": "1"}, ("top_k",))


@pytest.mark.parametrize("text", ["0", "101", "-1", "1.5", "", "x", "٣", "1" * 50, "1_0", " 1"])
def test_integers(text: str) -> None:
    assert Parameters({"k": "100"}, ("k",)).integer("k", 10, 1, 100) == 100
    assert Parameters({}, ("k",)).integer("k", 10, 1, 100) == 10
    with pytest.raises(BadParameter, match="whole number from 1 to 100"):
        Parameters({"k": text}, ("k",)).integer("k", 10, 1, 100)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "", "x", "1e999", "1_0", "+1"])
def test_distances(text: str) -> None:
    assert Parameters({"d": "1.5"}, ("d",)).distance("d") == 1.5
    assert Parameters({}, ("d",)).distance("d") is None
    with pytest.raises(BadParameter, match="number from 0 on"):
        Parameters({"d": text}, ("d",)).distance("d")


def test_truth_and_choice() -> None:
    assert Parameters({"exact": "true"}, ("exact",)).truth("exact", default=False) is True
    with pytest.raises(BadParameter, match="true or false"):
        Parameters({"exact": "1"}, ("exact",)).truth("exact", default=False)
    assert Parameters({"views": "10"}, ("views",)).choice("views", 1, (1, 10)) == 10
    with pytest.raises(BadParameter, match="1 or 10"):
        Parameters({"views": "2"}, ("views",)).choice("views", 1, (1, 10))


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a/b", "../x", "a b", "ü", "a" * 129, "a\n", "a\x00"]
)
def test_identifiers(text: str) -> None:
    assert identifier("Aa0._-" + "x" * 122)
    with pytest.raises(BadIdentifier):
        identifier(text)


def test_labels_at_their_limit() -> None:
    assert label("x" * 256, Limits()) == "x" * 256
    for text in ("", "x" * 257, "nul\x00", "line\n", "\ud800"):
        with pytest.raises(BadMetadata):
            label(text, Limits())


def test_metadata_at_its_limit() -> None:
    fitting = '{"a":"' + "x" * (16 * 1024 - 8) + '"}'
    assert metadata(fitting, Limits())["a"].startswith("x")
    for text in (
        fitting + " ",
        "[]",
        "1",
        "{",
        '{"a": NaN}',
        "[" * 8_000,
        "",
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
    ):
        with pytest.raises(BadMetadata):
            metadata(text, Limits())


def test_metadata_may_be_32_levels_deep() -> None:
    for depth, is_allowed in ((31, True), (32, False), (900, False)):
        text = '{"a":' + "[" * depth + "]" * depth + "}"
        if is_allowed:
            assert metadata(text, Limits())
        else:
            with pytest.raises(BadMetadata, match="nested"):
                metadata(text, Limits())
