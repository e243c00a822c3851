"""Damaged pictures: pixels or an error of ours, and soon."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import httpx
import psutil
import pytest

from tests.faults.pictures.mutations import mutant, tally
from tests.faults.pictures.sources import SOURCES
from tests.faults.size import sized
from tests.running_server import RunningServer

COUNT = sized(8_000, 60_000)
A_TASK = 500
SENT = sized(400, 4_000)
A_REQUEST = 40
# A mutant of a header may have 24 Mpx, or 64 as a baseline JPEG; nothing should cost more.
MOST_CPU_S = 3.0


@pytest.fixture(scope="module")
def sources() -> dict[str, bytes]:
    return {name: make() for name, make in SOURCES.items()}


def test_mutants_give_pixels_or_an_error_of_ours(sources: dict[str, bytes]) -> None:
    tasks = [range(begin, begin + A_TASK) for begin in range(0, COUNT, A_TASK)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        tallies = list(pool.map(partial(tally, sources), tasks))
    strangers = [name for one in tallies for name in one.strangers]
    assert not strangers, strangers[:5]
    slowest = max(one.slowest for one in tallies)
    outcomes = Counter(pixels=sum(one.pixels for one in tallies))
    for one in tallies:
        outcomes.update(one.errors)
    sys.stdout.write(f"{dict(outcomes)}; slowest {slowest[0]:.3f} s CPU, {slowest[1]}\n")
    assert outcomes.total() == COUNT
    assert min(outcomes["pixels"], outcomes["UndecodablePicture"]) > COUNT // 20, outcomes
    assert slowest[0] < MOST_CPU_S, slowest


def test_mutants_over_http(server: RunningServer, sources: dict[str, bytes]) -> None:
    before = psutil.Process(server.process.pid)
    statuses: Counter[str] = Counter()
    with httpx.Client(timeout=60) as client:
        for begin in range(0, SENT, A_REQUEST):
            mutants = [mutant(sources, number) for number in range(begin, begin + A_REQUEST)]
            files = [("image", (name, data)) for name, data in mutants]
            answer = client.post(f"{server.url}/classify", files=files)
            assert answer.status_code == 200, answer.text
            statuses.update(_outcome(result) for result in answer.json()["results"])
        for name, data in (mutant(sources, number) for number in range(0, SENT, 10)):
            answer = client.post(f"{server.url}/classify", content=data)
            assert answer.status_code in (200, 413, 415, 422), (name, answer.text)
    assert statuses.total() == SENT
    assert set(statuses) <= {
        "pixels", "empty_picture", "picture_too_large", "undecodable_picture", "unsupported_format"
    }  # fmt: skip
    assert server.process.poll() is None
    assert before.is_running()
    strange = [line for line in server.messages if re.search(r"Traceback|Warning", line)]
    assert not strange


def _outcome(result: dict[str, object]) -> str:
    error = result.get("error")
    return error["code"] if isinstance(error, dict) else "pixels"
