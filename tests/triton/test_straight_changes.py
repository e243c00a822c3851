"""Straight to a Triton whose model changes, or that answers strangely: a fake, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from alexnet_client import errors
from alexnet_client.picture import Upload
from alexnet_client.results import ModelRef
from alexnet_client.scoring.scorer import Scored
from alexnet_client.triton_direct.scorer import TritonScorer
from tests.fakes.one_model import Model, served
from tests.triton.front import PNGS
from tests.waiting import WAIT_S

PICTURE = Upload("one.png", PNGS[0])


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def url(model: Model) -> Iterator[str]:
    with served(model) as url:
        yield url


def asked(url: str, ask: Callable[[TritonScorer], Awaitable[object]]) -> object:
    async def run() -> object:
        async with TritonScorer(url, timeout_s=WAIT_S) as scorer:
            return await ask(scorer)

    return asyncio.run(run())


async def score(scorer: TritonScorer) -> Scored:
    (one,) = await scorer.score([PICTURE], top_k=1, views=1, features=False)
    return one


def test_answers_never_meet_the_labels_of_another_version(url: str, model: Model) -> None:
    async def deploy_in_the_middle(scorer: TritonScorer) -> tuple[Scored, Scored]:
        before = await score(scorer)
        model.version, model.digest, model.labels = "2", "def", ("new", "c")
        with pytest.raises(errors.Overloaded) as gone:
            await score(scorer)
        assert (gone.value.code, gone.value.retryable) == ("backend_unavailable", True)
        return before, await score(scorer)

    before, after = asked(url, deploy_in_the_middle)
    assert (before.predictions[0].label, before.digest) == ("a:b", "abc")
    assert (after.predictions[0].label, after.digest) == ("new", "def")


def test_the_model_asked_for_is_the_one_served_now(url: str, model: Model) -> None:
    async def ask(scorer: TritonScorer) -> tuple[ModelRef, ModelRef]:
        before = await scorer.model()
        model.version, model.digest = "2", ""
        return before, await scorer.model()

    before, after = asked(url, ask)
    assert before == ModelRef("alexnet", "1", "abc")
    assert after == ModelRef("alexnet", "2", "version:2")  # what an older deploy wrote


def test_labels_that_are_missing(url: str, model: Model) -> None:
    model.labels = ("a:b",)
    with pytest.raises(errors.UnexpectedReply, match="1 of 2 labels"):
        asked(url, score)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_answer_that_is_no_number(url: str, model: Model, value: float) -> None:
    model.probabilities = (1.0, value)
    with pytest.raises(errors.ServerFault) as refused:
        asked(url, score)
    assert refused.value.code == "bad_model_output"


def test_a_model_that_is_not_ours(url: str, model: Model) -> None:
    model.features = "logits"
    with pytest.raises(errors.UnexpectedReply, match="no outputs features"):
        asked(url, score)
