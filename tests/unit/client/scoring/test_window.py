"""The window against servers whose best rate is known, on a simulated clock."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import pytest

from alexnet_client.scoring.window import Window


@dataclass
class Server:
    """Answers one request after the other: ``overhead_s`` for each, and then its pictures.

    ``way_s`` is spent on the wire, where requests do not wait for each other.
    """

    rate: float
    overhead_s: float = 0.0
    way_s: float = 0.0
    most_requests: int = 10_000
    most_size: int = 10_000
    free_at_s: float = 0.0

    def answer_s(self, now_s: float, pictures: int) -> float:
        self.free_at_s = (
            max(now_s + self.way_s / 2, self.free_at_s) + self.overhead_s + pictures / self.rate
        )
        return self.free_at_s + self.way_s / 2


@dataclass
class Simulation:
    """Requests as the conveyor sends them; a refused one is sent again a second later."""

    server: Server
    max_size: int = 64
    now_s: float = 0.0
    refusals: list[float] = field(default_factory=list)
    answers: list[tuple[float, int]] = field(default_factory=list)

    def run(self, seconds: float) -> Window:
        window = Window(self.max_size, clock=lambda: self.now_s)
        # When it ends, whether it was refused, its pictures, its generation, when it began.
        out: list[tuple[float, int, bool, int, int, float]] = []
        number = inside = 0
        while self.now_s < seconds:
            while len(out) < window.flight:
                number += 1
                size, generation = window.size, window.generation
                if inside >= self.server.most_requests or size > self.server.most_size:
                    window.refused(generation)
                    self.refusals.append(self.now_s)
                    end = self.now_s + 1.0
                    heapq.heappush(out, (end, number, True, size, generation, self.now_s))
                    continue
                inside += 1
                end = self.server.answer_s(self.now_s, size)
                heapq.heappush(out, (end, number, False, size, generation, self.now_s))
            self.now_s, _, is_refused, size, generation, began_s = heapq.heappop(out)
            if not is_refused:
                inside -= 1
                window.answered(size, self.now_s - began_s, generation)
                self.answers.append((self.now_s, size))
        return window

    def rate(self, since_s: float) -> float:
        return sum(size for at, size in self.answers if at >= since_s) / (self.now_s - since_s)


@pytest.mark.parametrize(
    "server",
    [
        Server(rate=80),
        Server(rate=80, overhead_s=0.05),
        Server(rate=80, overhead_s=0.02, way_s=0.2),
        Server(rate=2000, overhead_s=0.002, way_s=0.02),
        Server(rate=2),
    ],
    ids=["plain", "dear requests", "far away", "fast", "slow"],
)
def test_it_finds_the_best_rate(server: Server) -> None:
    best = 64 / (server.overhead_s + 64 / server.rate)
    simulation = Simulation(server)
    simulation.run(120)
    assert simulation.rate(since_s=20) >= 0.9 * best
    assert not simulation.refusals


@pytest.mark.parametrize("gate", [1, 3, 11])
def test_it_stays_below_a_gate(gate: int) -> None:
    simulation = Simulation(Server(rate=400, overhead_s=0.005, way_s=0.3, most_requests=gate))
    simulation.run(300)
    assert len([at for at in simulation.refusals if at > 20]) <= 12
    # Of the size that a gate leaves it, it makes the best.
    best = min(64 / (0.005 + 64 / 400), gate * 64 / (0.305 + 64 / 400))
    assert simulation.rate(since_s=30) >= 0.8 * best


def test_it_keeps_to_a_size_that_is_taken() -> None:
    simulation = Simulation(Server(rate=200, most_size=10))
    window = simulation.run(120)
    assert window.size <= 10
    assert simulation.rate(since_s=20) >= 0.9 * 200
    assert len(simulation.refusals) <= 24


def test_answers_stay_quick() -> None:
    """Twice as much in flight than the server needs would make every answer wait twice as long."""
    simulation = Simulation(Server(rate=10))
    window = simulation.run(200)
    assert window.size * window.flight / 10 <= 4


def test_a_refusal_of_a_request_sent_before_the_last_one_changes_nothing() -> None:
    window = Window(64)
    window.refused(window.generation)
    size, flight, generation = window.size, window.flight, window.generation
    window.refused(generation - 1)
    assert (window.size, window.flight, window.generation) == (size, flight, generation)


def test_it_never_asks_for_less_than_one() -> None:
    window = Window(64)
    for _ in range(5):
        window.refused(window.generation)
    assert (window.size, window.flight) == (1, 1)
