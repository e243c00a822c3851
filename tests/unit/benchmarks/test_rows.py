import numpy as np
import pytest

from benchmarks.engines.rows import agreement, is_same, order, ratio, spread


def test_every_second_round_goes_the_other_way():
    names = ["a", "b", "c"]
    assert order(names, 0) == names
    assert order(names, 1) == ["c", "b", "a"]


def test_spread_keeps_the_extremes():
    found = spread([5.0, 1.0, 3.0])
    assert (found["min"], found["median"], found["max"]) == (1.0, 3.0, 5.0)


def test_equal_features_agree():
    features = np.arange(1, 9, dtype=np.float32).reshape(2, 4)
    agreed = agreement(features, features)
    assert agreed["largest_difference"] == 0
    assert agreed["cosine"] == pytest.approx(1)
    assert is_same(agreed, "fp32") and is_same(agreed, "int8")


def test_other_features_are_told_apart():
    features = np.eye(2, 4, dtype=np.float32)
    agreed = agreement(features[::-1].copy(), features)
    assert agreed["cosine"] == 0
    assert not is_same(agreed, "fp32") and not is_same(agreed, "int8")


def test_a_thousandth_off_is_another_fp32_and_the_same_int8():
    features = np.ones((1, 4), np.float32)
    agreed = agreement(features * np.float32(1.002), features)
    assert not is_same(agreed, "fp32")
    assert is_same(agreed, "int8")


def test_zeros_have_no_direction():
    agreed = agreement(np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32))
    assert agreed["cosine"] == 0


def test_a_ratio_of_what_was_not_measured_is_none():
    assert ratio({"a": 2.0, "b": 1.0}, "a", "b") == 2
    assert ratio({"a": 2.0}, "a", "b") is None
