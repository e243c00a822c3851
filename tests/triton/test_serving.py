"""A real Triton on a narrow network: what it answers, refuses and survives."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import grpc
import numpy as np
import pytest
from deploy.local_triton.running import RunningTriton
from tritonclient.grpc import service_pb2

from alexnet_repository.files import ENSEMBLE
from tests.triton.asking import Answer, Caller, answer, in_process, views
from tests.waiting import wait_until

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return views(200)


@pytest.fixture(scope="module")
def known(narrow_repository: Path, pictures: np.ndarray) -> Answer:
    return in_process(narrow_repository, pictures)


def test_it_is_live_and_ready_with_every_model_of_the_repository(
    caller: Caller, narrow_repository: Path
) -> None:
    models = {path.parent.name for path in narrow_repository.glob("*/config.pbtxt")}
    assert len(models) == 11
    assert caller.triton.ServerLive(service_pb2.ServerLiveRequest()).live
    assert caller.triton.ServerReady(service_pb2.ServerReadyRequest()).ready
    assert all(caller.is_ready(model) for model in models)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 33, 64])
def test_the_ensemble_answers_as_the_graphs_in_process(
    size: int, caller: Caller, pictures: np.ndarray, known: Answer
) -> None:
    found = caller.ask(pictures[:size])
    assert found.version == known.version
    assert found.is_of(known, *range(size))


def test_200_pictures_at_once_get_their_own_answers_from_shared_passes(
    caller: Caller, pictures: np.ndarray, known: Answer
) -> None:
    apart = np.abs(known.features[:, None] - known.features[None]).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 1e-4 * known.features.max(), "the pictures are too much alike to tell"
    before = caller.executions()
    under_way = [caller.begin(pictures[n : n + 1]) for n in range(200)]
    for number, future in enumerate(under_way):
        assert answer(future.result()).is_of(known, number)
    steps = [each for each in before if re.match(r"s\d_", each)]

    def counted() -> dict[str, tuple[int, int]]:
        after = caller.executions()
        return {model: tuple(np.subtract(after[model], before[model])) for model in steps}

    # Triton counts a request when it has answered it, a moment after.
    wait_until(lambda: all(inferences == 200 for _, inferences in counted().values()))
    for model, (passes, _) in counted().items():
        assert passes < 150, f"{model} was not batched: {passes} passes"


def test_requests_of_different_sizes_share_passes_and_keep_their_rows(
    caller: Caller, pictures: np.ndarray, known: Answer
) -> None:
    starts = np.cumsum([0, *(1 + n % 5 for n in range(60))])
    ranges = [range(first, last) for first, last in pairwise(starts)]
    under_way = [caller.begin(pictures[rows.start : rows.stop]) for rows in ranges]
    for rows, future in zip(ranges, under_way, strict=True):
        assert answer(future.result()).is_of(known, *rows)


@pytest.mark.parametrize(
    ("shape", "dtype", "datatype", "reason"),
    [
        ((1, 225, 224, 3), np.uint8, "UINT8", "unexpected shape"),
        ((1, 3, 224, 224), np.uint8, "UINT8", "unexpected shape"),
        ((224, 224, 3), np.uint8, "UINT8", "batch-size must be <= 64"),
        ((65, 224, 224, 3), np.uint8, "UINT8", "batch-size must be <= 64"),
        ((0, 224, 224, 3), np.uint8, "UINT8", "byte size mismatch"),
        ((1, 224, 224, 3), np.float32, "FP32", "data-type"),
        ((1, 224, 224, 3), np.uint8, "FP32", "data-type"),
    ],
)
def test_what_is_no_batch_of_pictures_is_refused(
    shape: tuple[int, ...], dtype: type, datatype: str, reason: str, caller: Caller
) -> None:
    with pytest.raises(grpc.RpcError, match=re.escape(reason)) as refused:
        caller.ask(np.zeros(shape, dtype), datatype=datatype)
    assert refused.value.code() is INVALID


def test_a_refused_request_harms_none_beside_it(
    caller: Caller, pictures: np.ndarray, known: Answer
) -> None:
    good = [caller.begin(pictures[n : n + 1]) for n in range(0, 20)]
    bad = [caller.begin(np.zeros((1, 225, 224, 3), np.uint8)) for _ in range(20)]
    assert {future.code() for future in bad} == {INVALID}
    assert all(answer(future.result()).is_of(known, n) for n, future in enumerate(good))


def test_fewer_bytes_than_the_shape_says_are_refused(caller: Caller, pictures: np.ndarray) -> None:
    short = service_pb2.ModelInferRequest(model_name=ENSEMBLE)
    short.inputs.add(name="images", datatype="UINT8", shape=[2, 224, 224, 3])
    short.raw_input_contents.append(pictures[:1].tobytes())
    with pytest.raises(grpc.RpcError, match="byte size") as refused:
        caller.triton.ModelInfer(short)
    assert refused.value.code() is INVALID


def test_a_model_goes_and_comes_back_while_triton_goes_on(
    caller: Caller, pictures: np.ndarray, known: Answer
) -> None:
    caller.triton.RepositoryModelUnload(
        service_pb2.RepositoryModelUnloadRequest(model_name="conv1")
    )
    assert not caller.is_ready("conv1")
    assert caller.ask(pictures[:2]).is_of(known, 0, 1)
    caller.triton.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name="conv1"))
    assert caller.is_ready("conv1")
    assert caller.ask(pictures[:2]).is_of(known, 0, 1)


def test_a_missing_part_is_unavailable_and_comes_back(
    caller: Caller, pictures: np.ndarray, known: Answer
) -> None:
    part = "s3_fc6_tower1"
    caller.triton.RepositoryModelUnload(service_pb2.RepositoryModelUnloadRequest(model_name=part))
    with pytest.raises(grpc.RpcError) as refused:
        caller.ask(pictures[:1])
    assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND)
    caller.triton.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name=ENSEMBLE))
    assert caller.ask(pictures[:1]).is_of(known, 0)


def test_nobody_may_register_shared_memory(caller: Caller) -> None:
    asked = service_pb2.SystemSharedMemoryRegisterRequest(name="mine", key="/mine", byte_size=8)
    with pytest.raises(grpc.RpcError, match="restricted"):
        caller.triton.SystemSharedMemoryRegister(asked)


def test_it_listens_on_this_machine_only(narrow_triton: RunningTriton) -> None:
    messages = narrow_triton.log.read_text()
    for address in (narrow_triton.grpc, narrow_triton.http, narrow_triton.metrics):
        assert address.startswith("127.0.0.1:")
        assert f"at {address}" in messages
