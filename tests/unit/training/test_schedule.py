import pytest

from alexnet_training.presets import PRESETS
from alexnet_training.schedule import group_rate, learning_rate, noise_is_on

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


SOURCE = PRESETS["source"]


def source_rates(epoch, *, epochs=91, is_bias=False, is_first=False):
    rate = learning_rate(SOURCE, epoch * 10, epochs * 10, [])
    done = epoch / epochs
    return group_rate(SOURCE, rate, done, is_bias=is_bias, is_first=is_first)


def test_the_source_drops_its_rates_by_hand_at_these_epochs():
    changes = {0: 1e-2, 24: 1e-2, 25: 1e-3, 50: 1e-3, 51: 1e-4, 78: 1e-4, 79: 1e-5, 90: 1e-5}
    assert {epoch: source_rates(epoch) for epoch in changes} == pytest.approx(changes)


def test_the_sources_first_layer_is_stopped_and_its_biases_with_it():
    changes = {50: 1e-3, 51: 1e-4, 66: 1e-4, 67: 1e-5, 71: 1e-5, 72: 0, 90: 0}
    found = {epoch: source_rates(epoch, is_first=True) for epoch in changes}
    assert found == pytest.approx(changes)
    assert source_rates(71, is_first=True, is_bias=True) == pytest.approx(0.02)
    assert source_rates(72, is_first=True, is_bias=True) == 0


def test_the_sources_biases_keep_twice_the_first_rate():
    assert {source_rates(epoch, is_bias=True) for epoch in range(91)} == {0.02}


def test_a_shorter_run_of_the_source_drops_at_the_same_share():
    assert source_rates(2, epochs=8) == pytest.approx(1e-2)
    assert source_rates(3, epochs=8) == pytest.approx(1e-3)


def test_the_source_ends_its_colour_noise_late():
    assert noise_is_on(SOURCE, 66.9 / 91)
    assert not noise_is_on(SOURCE, 67 / 91)
    assert noise_is_on(PAPER, 0.99)


def test_elsewhere_biases_learn_at_the_rate_of_the_weights():
    assert group_rate(PAPER, 0.01, 0.5, is_bias=True, is_first=True) == 0.01
