import pytest

from alexnet_client import retry
from alexnet_client.errors import Overloaded


def _waits(tries: int, retry_after_s: float | None = None) -> list[float]:
    error = Overloaded("busy", code="overloaded", retry_after_s=retry_after_s)
    return [retry.wait_s(error, tries) for _ in range(200)]


@pytest.mark.parametrize(("tries", "longest_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0)])
def test_waits_double_and_differ(tries, longest_s):
    waits = _waits(tries)
    assert longest_s / 2 <= min(waits) < max(waits) <= longest_s
    assert len(set(waits)) > 100


def test_the_servers_wish_is_the_least_wait():
    waits = _waits(1, retry_after_s=3)
    assert 3 <= min(waits) < max(waits) <= 4


def test_a_long_wish_is_not_cut_short():
    """Asked again earlier, the server would refuse again; the deadline says whether to wait."""
    assert min(_waits(1, retry_after_s=45)) >= 45
