import pytest

from benchmarks.check import WORSE, compared


def test_as_recorded_or_better_is_well():
    lines, is_well = compared({"a": 2.0, "b": 1.0}, {"a": 2.0, "b": 3.0})
    assert is_well
    assert all(line.startswith("ok") for line in lines)


@pytest.mark.parametrize(("found", "well"), [(2 * (1 - WORSE), True), (1.69, False)])
def test_fifteen_percent_is_the_limit(found, well):
    assert compared({"a": 2.0}, {"a": found})[1] is well


def test_it_says_which_ratio_what_was_recorded_and_what_was_found():
    lines, is_well = compared({"ours over Flask": 2.0, "b": 1.0}, {"ours over Flask": 1.0, "b": 1})
    assert not is_well
    assert "ours over Flask: recorded 2.000, found 1.000" in lines[0]
    assert lines[1].startswith("ok")


def test_a_peer_that_was_not_measured_is_no_pass():
    lines, is_well = compared({"ours over Flask": 2.0}, {})
    assert not is_well
    assert "not measured" in lines[0]


def test_nothing_recorded_is_no_pass():
    assert not compared({}, {"a": 1.0})[1]
