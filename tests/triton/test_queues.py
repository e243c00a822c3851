"""More requests than the queues of a real Triton take: some are refused, none is harmed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from alexnet_export.deploy import Deployment, Layout, deploy
from tests.triton.asking import Answer, Caller, answer, in_process, views
from tests.triton.front import PICTURES, running_front
from tests.triton.short_lived import short_lived_triton
from tests.waiting import wait_until

REQUESTS = 100
CENTRES = np.ascontiguousarray(PICTURES[:, 16:240, 16:240])


@pytest.mark.parametrize("layout", ["towers", "single"])
@pytest.mark.timeout(180)
def test_more_requests_than_the_queues_take_are_rejected_and_harm_nobody(
    layout: Layout, narrow_runs: tuple[Path, ...], tmp_path: Path
) -> None:
    """As deployed, but with small limits.

    A full queue in front of one of two steps that run at once ends Triton 2.51 (SIGSEGV, or no
    answer ever again), so only waiting too long may be what rejects there.
    """
    root, pictures = tmp_path / "model_repository", views(REQUESTS)
    deploy(narrow_runs[0], Deployment(root, layout=layout))
    known = in_process(root, pictures)
    for path in root.glob("s*/config.pbtxt"):
        text = re.sub(r"max_queue_size: \d+", "max_queue_size: 2", path.read_text())
        text, limited = re.subn(r"(default_timeout_microseconds): \d+", r"\1: 10000", text)
        assert limited == 1, "every part limits how long a request may wait"
        path.write_text(text)
    with (
        short_lived_triton(root, tmp_path / "log") as triton,
        grpc.insecure_channel(triton.grpc) as channel,
    ):
        caller = Caller(channel)
        under_way = [caller.begin(pictures[n : n + 1]) for n in range(REQUESTS)]
        rejected = 0
        for number, future in enumerate(under_way):
            if future.exception() is None:
                assert answer(future.result()).is_of(known, number)
            else:
                assert future.code() is grpc.StatusCode.UNAVAILABLE
                assert re.search("maximum queue size|timeout expired", future.details())
                rejected += 1
        assert rejected > 0
        assert eventually_answered(caller, pictures[:1]).is_of(known, 0)


def eventually_answered(caller: Caller, images: np.ndarray) -> Answer:
    """The queues are empty now, but on a busy machine one request alone may wait too long."""
    asked: list[grpc.Future] = []

    def is_answered() -> bool:
        asked.append(caller.begin(images))
        return asked[-1].exception() is None

    wait_until(is_answered)
    return answer(asked[-1].result())


@pytest.mark.timeout(300)
def test_a_queue_that_is_too_long_is_told_and_forgotten(
    narrow_repository: Path, tmp_path: Path
) -> None:
    root = tmp_path / "limited"
    shutil.copytree(narrow_repository, root)
    limited = 0
    for path in root.glob("s*/config.pbtxt"):
        text, count = re.subn(
            r"(default_timeout_microseconds): \d+", r"\1: 50000", path.read_text()
        )
        path.write_text(text)
        limited += count
    assert limited >= 9, "every part limits the time in its queue"
    with (
        short_lived_triton(root, tmp_path / "log") as triton,
        running_front(narrow_repository, triton, tmp_path / "index.sqlite", timeout_s=60) as front,
        grpc.insecure_channel(triton.grpc) as channel,
    ):
        wait_until(front.is_ready)
        caller = Caller(channel)
        found: list[httpx.Response] = []

        def is_refused() -> bool:
            others = [caller.begin(CENTRES) for _ in range(40)]  # another client's
            found.append(front.ask(0))
            for each in others:
                each.exception()
            return found[-1].status_code == 503

        wait_until(is_refused)
        codes = {(one.status_code, one.json().get("code", "")) for one in found}
        assert codes <= {(200, ""), (503, "overloaded")}
        assert found[-1].headers["Retry-After"] == "1"
        assert "timeout expired" not in found[-1].text
        assert front.is_ready()
        wait_until(lambda: front.ask(0).status_code == 200)
