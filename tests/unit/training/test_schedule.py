import pytest

from alexnet_training.recipe import PRESETS
from alexnet_training.schedule import learning_rate

PAPER = PRESETS["paper"]


def test_plateau_divides_by_ten_three_times_at_most():
    stuck = [0.5]
    rates = []
    for _ in range(40):
        rates.append(learning_rate(PAPER, 100, 1000, stuck))
        stuck.append(0.5)
    assert rates[0] == 0.01
    assert [rates[index] for index in (4, 5, 10, 15, 39)] == pytest.approx(
        [0.01, 0.001, 0.0001, 0.00001, 0.00001]
    )


def test_plateau_keeps_the_rate_while_validation_gets_better():
    better = [index / 100 for index in range(40)]
    assert learning_rate(PAPER, 100, 1000, better) == 0.01


def test_cosine_climbs_first_and_ends_near_zero():
    recipe = PRESETS["modern"]
    rates = [learning_rate(recipe, step, 100, []) for step in range(100)]
    assert rates[0] == pytest.approx(recipe.learning_rate / 10)
    assert rates.index(max(rates)) == 9
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < recipe.learning_rate / 1000
