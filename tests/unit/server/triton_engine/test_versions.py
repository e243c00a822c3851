"""A deploy that Triton has already, not yet, or no more."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from alexnet_server.call import Call
from alexnet_server.errors import BackendUnavailable
from alexnet_server.following import Following
from alexnet_server.served import Served
from tests.unit.server.triton_engine.backend import SLACK_S, TIMEOUT_S, Backend, ask, is_ready
from tests.waiting import wait_until


def test_a_reload_fails_no_request(backend: Backend, deploys: Following, served: Served) -> None:
    deploys.start()
    seen: list[tuple[str, bytes]] = []
    faults: list[BaseException] = []
    is_over = threading.Event()

    def keep_asking() -> None:
        try:
            while not is_over.is_set():
                seen.append(served.answer(Call(TIMEOUT_S), ask))
        except BaseException as fault:  # noqa: BLE001 (shown by the assertion below)
            faults.append(fault)

    threads = [threading.Thread(target=keep_asking) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(seen) > 20)
        backend.deploy_other()
        backend.fake.switch(reload=True)
        wait_until(lambda: sum(version == "2" for version, _ in seen) > 20 or bool(faults))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert {version for version, _ in seen} == {"1", "2"}


def test_a_deploy_that_triton_does_not_have_waits(
    backend: Backend, deploys: Following, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    backend.deploy_other()
    for _ in range(3):
        deploys.look()
    assert deploys.next() == {"version": "2", "state": "awaited"}
    assert served.answer(Call(TIMEOUT_S), ask)[0] == "1"
    assert caplog.text.count("alexnet-export reload") == 1
    backend.fake.switch(reload=True)
    deploys.look()
    assert deploys.next() is None
    assert served.answer(Call(TIMEOUT_S), ask)[0] == "2"


def test_a_version_that_nobody_has_is_refused_in_time(
    backend: Backend, deploys: Following, served: Served
) -> None:
    deploys.start()
    backend.deploy_other()
    wait_until(lambda: deploys.next() == {"version": "2", "state": "awaited"})
    backend.fake.switch(lacks="1")
    took_s = []
    with ThreadPoolExecutor(16) as pool:
        for _ in range(3):  # of which the quietest counts: others use the machine too
            began = time.monotonic()
            refused = [pool.submit(served.answer, Call(TIMEOUT_S), ask) for _ in range(16)]
            for one in refused:
                with pytest.raises(BackendUnavailable):
                    one.result()
            took_s.append(time.monotonic() - began)
    assert min(took_s) <= TIMEOUT_S + SLACK_S
    backend.fake.switch(lacks="")
    wait_until(
        lambda: served.answer(Call(TIMEOUT_S), ask)[0] == "1" if is_ready(deploys) else False
    )
