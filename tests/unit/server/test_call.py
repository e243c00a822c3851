"""A call knows until when it is wanted, and what took how long."""

from __future__ import annotations

import threading
import time

import pytest

from alexnet_server.admission import Gate
from alexnet_server.call import Call
from alexnet_server.errors import ClientGone, DeadlineExceeded, Overloaded


def aged(seconds: float, hung_up: threading.Event | None = None) -> Call:
    """A call of 5 s that began ``seconds`` ago."""
    event = hung_up or threading.Event()
    return Call(5.0, is_connected=lambda: not event.is_set(), began_s=time.monotonic() - seconds)


def test_it_is_wanted_until_its_time_is_over() -> None:
    assert 4.0 < Call(5.0).left_s() <= 5.0
    assert aged(3.0).left_s() <= 2.0
    aged(3.0).require_wanted()
    assert -1.0 < aged(5.1).left_s() <= -0.1
    with pytest.raises(DeadlineExceeded, match="within 5 s") as caught:
        aged(5.1).require_wanted()
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)


def test_nobody_there_comes_before_the_deadline() -> None:
    hung_up = threading.Event()
    call, late = aged(0.0, hung_up), aged(6.0, hung_up)
    assert call.is_wanted()
    hung_up.set()
    for one in (call, late):
        with pytest.raises(ClientGone):
            one.require_wanted()


def test_spans_add_up_and_count_what_raises() -> None:
    call = Call(5.0)
    with call.span("decode"):
        pass
    call.add("decode", 0.5)
    began = time.monotonic()
    with pytest.raises(KeyError), call.span("search"):
        while time.monotonic() == began:
            continue
        raise KeyError("lost")
    took = time.monotonic() - began
    assert list(call.spans_s) == ["decode", "search"]
    assert 0.5 <= call.spans_s["decode"] < 0.6
    assert 0 < call.spans_s["search"] <= took


def test_what_it_holds_is_taken_from_its_gate() -> None:
    gate = Gate(2, 10)
    call = Call(5.0, admission=gate.enter())
    call.take(2, views=3)
    assert gate.views == 6
    assert call.facts == {"pictures": 2, "views": 6}
    with pytest.raises(Overloaded):
        Call(5.0, admission=gate.enter()).take(1, views=10)
    Call(5.0).take(1, views=10)  # one that came through no gate
