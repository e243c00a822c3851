"""How long a request may take to arrive."""

from __future__ import annotations

import pytest
from waitress.adjustments import Adjustments

from alexnet_server.wire import Parser
from tests.faults.wire.sent import post


@pytest.mark.parametrize(
    ("came_bytes", "after_s", "is_late"),
    [(0, 29, False), (0, 31, True), (1_000, 31, True), (100_000, 31, False), (100_000, 45, True)],
)
def test_half_a_minute_and_8_kib_a_second(came_bytes: int, after_s: int, is_late: bool) -> None:
    parser = Parser(Adjustments())
    parser.received(post("/classify", "Content-Length: 1000000"))
    parser.received(bytes(came_bytes))
    assert not parser.completed
    assert parser.is_late(parser.began_s + after_s) is is_late
    parser.close()
