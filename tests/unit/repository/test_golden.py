"""When given answers are the known ones."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet_repository.golden import Golden


def golden(precision: str, lead: float) -> Golden:
    """One picture whose first class is likelier than its second by ``lead``."""
    probabilities = np.array([[0.4 + lead, 0.4, 0.2 - lead]], np.float32)
    images = np.zeros((1, 224, 224, 3), np.uint8)
    return Golden(images, np.ones((1, 8), np.float32), probabilities, precision)


@pytest.mark.parametrize(("precision", "tie"), [("fp32", 1e-6), ("fp16", 1e-3), ("int8", 1e-2)])
def test_near_ties_may_change_places_and_others_not(precision: str, tie: float) -> None:
    near, clear = golden(precision, tie / 2), golden(precision, tie * 2)
    second, third = (np.eye(3, dtype=np.float32)[[index]] for index in (1, 2))
    assert near.difference(near.features, near.probabilities) == ""
    assert near.difference(near.features, second) == ""
    assert "another likeliest class" in near.difference(near.features, third)
    assert "another likeliest class" in clear.difference(clear.features, second)
