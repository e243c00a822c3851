"""The gate counts requests and views, lets in no more than told, and forgets nobody."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from alexnet_server.admission import Gate
from alexnet_server.errors import Overloaded, ShuttingDown


def test_a_full_gate_refuses_at_once_and_says_when_to_come_again() -> None:
    gate = Gate(2, 10)
    first = gate.enter()
    gate.enter()
    with pytest.raises(Overloaded, match="2 requests are being answered") as caught:
        gate.enter()
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)
    first.leave()
    gate.enter()
    assert gate.requests == 2


def test_views_are_counted_beside_requests() -> None:
    gate = Gate(9, 10)
    one, other = gate.enter(), gate.enter()
    one.take(7)
    with pytest.raises(Overloaded, match="7 views are being answered and the request has 4 more"):
        other.take(4)
    other.take(3)
    assert (gate.requests, gate.views) == (2, 10)
    one.leave()
    other.take(7)
    other.leave()
    assert (gate.requests, gate.views) == (0, 0)


def test_a_request_that_was_refused_its_views_leaves_with_none() -> None:
    gate = Gate(9, 10)
    one = gate.enter()
    with pytest.raises(Overloaded):
        one.take(11)
    one.leave()
    assert (gate.requests, gate.views) == (0, 0)


def test_leaving_twice_makes_room_once() -> None:
    gate = Gate(1, 10)
    one = gate.enter()
    one.take(4)
    one.leave()
    one.leave()
    gate.enter()
    with pytest.raises(Overloaded):
        gate.enter()
    assert (gate.requests, gate.views) == (1, 0)


def test_a_closed_gate_lets_nobody_in_and_those_inside_stay() -> None:
    gate = Gate(4, 10)
    inside = gate.enter()
    gate.close()
    with pytest.raises(ShuttingDown) as caught:
        gate.enter()
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)
    inside.take(3)
    assert (gate.requests, gate.views) == (1, 3)
    inside.leave()
    assert (gate.requests, gate.views) == (0, 0)


def test_many_threads_never_get_in_above_the_limits() -> None:
    most_requests, most_views = 5, 20
    gate = Gate(most_requests, most_views)
    seen: list[tuple[int, int]] = []
    refused: list[int] = []
    together = threading.Barrier(16)

    def come_and_go(seed: int) -> None:
        chosen = random.Random(seed)
        together.wait()
        for _ in range(500):
            try:
                inside = gate.enter()
            except Overloaded:
                refused.append(seed)
                continue
            try:
                inside.take(chosen.randint(1, 9))
            except Overloaded:
                refused.append(seed)
            seen.append((gate.requests, gate.views))
            inside.leave()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(come_and_go, range(16)))
    assert (gate.requests, gate.views) == (0, 0)
    assert max(requests for requests, _ in seen) <= most_requests
    assert max(views for _, views in seen) <= most_views
    assert len(seen) > 0
