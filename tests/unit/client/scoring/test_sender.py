"""Requests to a server that refuses: how often, how long after, and what becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from alexnet_client.errors import BadRequest, ClientError, Overloaded, ServerUnreachable
from alexnet_client.picture import Upload
from alexnet_client.results import ModelRef
from alexnet_client.scoring.errors import ServerAway
from alexnet_client.scoring.patience import Patience
from alexnet_client.scoring.read_ahead import Job, Loaded
from alexnet_client.scoring.scorer import Scored
from alexnet_client.scoring.sender import MAX_TRIES, Sender, Wish
from alexnet_client.scoring.window import Window

PICTURES = [Loaded(Job(n, f"{n}.jpg"), Upload(f"{n}.jpg", b"x")) for n in range(8)]


class Refusing:
    """A `Scorer` that raises what ``refusal`` gives, and answers where that is None."""

    def __init__(self, refusal: Callable[[int], ClientError | None]) -> None:
        self._refusal = refusal
        self.asked: list[tuple[float, list[str]]] = []

    async def model(self) -> ModelRef:
        return ModelRef("alexnet", "1", "digest")

    async def score(
        self, pictures: Sequence[Upload], *, top_k: int, views: int, features: bool
    ) -> list[Scored]:
        self.asked.append((time.monotonic(), [one.filename for one in pictures]))
        if (error := self._refusal(len(self.asked))) is not None:
            raise error
        return [Scored(digest="digest") for _ in pictures]

    def times(self, filename: str) -> list[float]:
        """When a picture was asked for."""
        return [at for at, names in self.asked if filename in names]


class Outcome:
    """Sends the pictures and keeps what became of them."""

    def __init__(self, scorer: Refusing, limit_s: float = 60.0) -> None:
        self.scored: list[int] = []
        self.failed: dict[int, ClientError] = {}
        self.sender = Sender(
            scorer,
            Wish(5, 1, False),
            window=Window(64),
            patience=Patience(limit_s, lambda _: None),
            scored=lambda one, _: self.scored.append(one.job.number),
            failed=lambda one, error: self.failed.update({one.job.number: error}),
        )

    def send(self) -> None:
        asyncio.run(self.sender.send(PICTURES))


def overloaded(retry_after_s: float | None = None) -> Overloaded:
    return Overloaded("too much", code="overloaded", retry_after_s=retry_after_s)


def test_three_tries_a_picture_each_as_long_after_as_the_server_asks() -> None:
    scorer = Refusing(lambda _: overloaded(0.2))
    outcome = Outcome(scorer)
    outcome.send()
    assert outcome.failed.keys() == set(range(len(PICTURES)))
    assert all(error.retryable for error in outcome.failed.values())
    for one in PICTURES:
        first, second, third = scorer.times(one.job.path)
        assert second - first >= 0.2
        assert third - second >= 0.2
    # Fewer at a time may find a place.
    assert [len(names) for _, names in scorer.asked] == [8, 4, 2, 2, 4, 2, 2]
    assert outcome.sender.tries == MAX_TRIES * len(PICTURES)


def test_waits_differ_from_client_to_client() -> None:
    def waited() -> float:
        scorer = Refusing(lambda number: overloaded(0.1) if number == 1 else None)
        Outcome(scorer).send()
        return scorer.asked[1][0] - scorer.asked[0][0]

    waits = [waited() for _ in range(8)]
    assert min(waits) >= 0.1
    assert max(waits) - min(waits) > 0.002


def test_who_asks_for_a_longer_wait_than_we_have_is_not_asked_again() -> None:
    scorer = Refusing(lambda _: overloaded(61.0))
    outcome = Outcome(scorer, limit_s=60.0)
    with pytest.raises(ServerAway, match="left alone for 61 s"):
        outcome.send()
    assert len(scorer.asked) == 1


def test_a_refusal_that_does_not_pass_is_no_pictures() -> None:
    scorer = Refusing(lambda _: BadRequest("no such option", code="bad_parameter"))
    outcome = Outcome(scorer)
    with pytest.raises(BadRequest):
        outcome.send()
    assert (len(scorer.asked), outcome.failed) == (1, {})


def test_a_server_that_comes_back_is_asked_again() -> None:
    gone = ServerUnreachable("gone", code="server_unreachable")
    scorer = Refusing(lambda number: gone if number == 1 else None)
    outcome = Outcome(scorer)
    outcome.send()
    assert sorted(outcome.scored) == list(range(len(PICTURES)))
    assert outcome.sender.requests == 3
