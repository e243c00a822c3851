"""Straight to a real Triton: what the server before the same Triton says, without it."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import grpc
import numpy as np
import pytest
from deploy.local_triton.running import RunningTriton
from PIL import Image
from tritonclient.grpc import service_pb2, service_pb2_grpc

from alexnet_client import AsyncClient, errors
from alexnet_client.picture import Upload
from alexnet_client.results import ModelRef
from alexnet_client.scoring.scorer import HttpScorer, Scored, Scorer
from alexnet_client.triton_direct.refusal import refusal
from alexnet_client.triton_direct.scorer import TritonScorer
from alexnet_repository.files import ENSEMBLE
from alexnet_repository.golden import cosines
from alexnet_repository.repository import open_repository
from tests.photos import crops
from tests.random_checkpoint import CLASSES
from tests.running_server import running_server
from tests.triton.front import PNGS
from tests.waiting import WAIT_S

T = TypeVar("T")


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


PHOTO = Image.fromarray(crops(1, seed=3)[0]).resize((400, 300))
TURNED = Image.Exif()
TURNED[0x0112] = 6
PICTURES = {
    "photo.png": PNGS[0],
    "text.jpg": b"no picture",
    "grey.png": encoded(PHOTO.convert("L")),
    "alpha.png": encoded(PHOTO.convert("RGBA")),
    "cmyk.jpg": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "empty.jpg": b"",
    "palette.png": encoded(PHOTO.convert("P")),
    "turned.jpg": encoded(PHOTO, "JPEG", exif=TURNED),
    "thin.png": encoded(Image.new("1", (4, 16_384))),
    "cut.jpg": encoded(PHOTO, "JPEG")[:-4_000],
    "long.png": encoded(Image.new("1", (16_385, 1))),
    "photo.webp": encoded(PHOTO, "WEBP"),
}
BAD = {
    "text.jpg": "unsupported_format",
    "empty.jpg": "empty_picture",
    "cut.jpg": "undecodable_picture",
    "long.png": "picture_too_large",
}
UPLOADS = [Upload(name, content) for name, content in PICTURES.items()]


@pytest.fixture(scope="module")
def front(
    inside_triton: RunningTriton, narrow_inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a server before the Triton that is also asked directly."""
    index = tmp_path_factory.mktemp("straight") / "index.sqlite"
    flags = ("--engine", f"triton://{inside_triton.grpc}", "--request-timeout-s", "60")
    with running_server(narrow_inside, index, *flags) as server:
        yield server.url


def through_front(url: str, ask: Callable[[Scorer], Awaitable[T]]) -> T:
    async def asked() -> T:
        async with AsyncClient(url, timeout_s=WAIT_S) as client:
            return await ask(HttpScorer(client))

    return asyncio.run(asked())


def straight(
    triton: RunningTriton, ask: Callable[[Scorer], Awaitable[T]], timeout_s: float = WAIT_S
) -> T:
    async def asked() -> T:
        async with TritonScorer(f"grpc://{triton.grpc}", timeout_s=timeout_s) as scorer:
            return await ask(scorer)

    return asyncio.run(asked())


def told(scored: Scored) -> tuple[str, str, str] | None:
    return scored.error and (scored.error.code, scored.error.title, scored.error.detail)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("views", "count"), [(1, len(UPLOADS)), (10, 3)])
def test_the_same_as_through_the_front(
    inside_triton: RunningTriton, front: str, views: int, count: int
) -> None:
    def ask(scorer: Scorer) -> Awaitable[list[Scored]]:
        return scorer.score(some, top_k=len(CLASSES), views=views, features=True)

    some = UPLOADS[:count]
    expected, found = through_front(front, ask), straight(inside_triton, ask)
    codes = [one.error and one.error.code for one in found]
    assert codes == [BAD.get(upload.filename) for upload in some]
    for one, other in zip(found, expected, strict=True):
        assert told(one) == told(other)
        if one.error is None:
            assert_same(one, other)


def test_more_pictures_than_a_request_holds(narrow_triton: RunningTriton) -> None:
    def ask(scorer: Scorer, some: list[Upload]) -> Awaitable[list[Scored]]:
        return scorer.score(some, top_k=len(CLASSES), views=10, features=False)

    good = [Upload(f"{number}.png", content) for number, content in enumerate(PNGS[:8])]
    found = straight(narrow_triton, lambda scorer: ask(scorer, good))
    last = straight(narrow_triton, lambda scorer: ask(scorer, good[-1:]))
    assert len(found) == len(good)
    shares = [[each.probability for each in one.predictions] for one in (found[-1], *last)]
    np.testing.assert_allclose(*shares, rtol=0, atol=1e-6)


def assert_same(one: Scored, other: Scored) -> None:
    names = [[(each.label, each.class_id) for each in each.predictions] for each in (one, other)]
    assert names[0] == names[1]
    shares = [[each.probability for each in each.predictions] for each in (one, other)]
    np.testing.assert_allclose(*shares, rtol=0, atol=1e-6)
    assert one.features.dtype == np.float32
    assert one.features.shape == (4096,)
    assert cosines(one.features[None], other.features[None]).min() >= 0.99999


def test_the_model_is_the_one_deployed(inside_triton: RunningTriton, narrow_inside: Path) -> None:
    version = open_repository(narrow_inside).version
    model = straight(inside_triton, lambda scorer: scorer.model())
    assert model == ModelRef("alexnet", version, f"version:{version}")
    (one,) = straight(
        inside_triton, lambda scorer: scorer.score(UPLOADS[:1], top_k=2, views=1, features=False)
    )
    assert (one.digest, one.features, len(one.predictions)) == (model.digest, None, 2)


def test_a_model_taken_away_is_retryable_and_found_again(narrow_triton: RunningTriton) -> None:
    async def taken_away() -> list[Scored]:
        async with TritonScorer(f"grpc://{narrow_triton.grpc}", timeout_s=WAIT_S) as scorer:
            first = await score(scorer)
            with grpc.insecure_channel(narrow_triton.grpc) as channel:
                control = service_pb2_grpc.GRPCInferenceServiceStub(channel)
                control.RepositoryModelUnload(
                    service_pb2.RepositoryModelUnloadRequest(model_name=ENSEMBLE), timeout=WAIT_S
                )
                try:
                    with pytest.raises(errors.Overloaded) as refused:
                        while True:  # an unload takes effect when the requests before it are done
                            await score(scorer)
                finally:
                    control.RepositoryModelLoad(
                        service_pb2.RepositoryModelLoadRequest(model_name=ENSEMBLE), timeout=WAIT_S
                    )
            assert (refused.value.code, refused.value.retryable) == ("backend_unavailable", True)
            return [*first, *await score(scorer)]

    async def score(scorer: Scorer) -> list[Scored]:
        return await scorer.score(UPLOADS[:1], top_k=1, views=1, features=False)

    before, after = asyncio.run(taken_away())
    assert before.predictions[0].label == after.predictions[0].label


def test_too_little_time_is_a_timeout(narrow_triton: RunningTriton) -> None:
    with pytest.raises(errors.Timeout) as late:
        straight(narrow_triton, lambda scorer: scorer.model(), timeout_s=1e-3)
    assert late.value.retryable


def test_where_no_triton_is_one_is_told_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def ask() -> ModelRef:
        async with TritonScorer(f"grpc://127.0.0.1:{port}") as scorer:
            return await scorer.model()

    with pytest.raises(errors.ServerUnreachable, match=str(port)):
        asyncio.run(ask())


@pytest.mark.parametrize(
    "url", ["http://h:8001", "grpc://h", "grpc://:1", "grpc://h:x", "grpc://a@h:1", "grpc://h:1/m"]
)
def test_an_address_that_cannot_be_meant(url: str) -> None:
    with pytest.raises(errors.BadRequest, match="grpc://HOST:8001"):
        TritonScorer(url)


@pytest.mark.parametrize(("top_k", "views"), [(0, 1), (1001, 1), (5, 2)])
def test_a_parameter_out_of_range(narrow_triton: RunningTriton, top_k: int, views: int) -> None:
    with pytest.raises(errors.BadRequest) as refused:
        straight(
            narrow_triton,
            lambda scorer: scorer.score(UPLOADS[:1], top_k=top_k, views=views, features=False),
        )
    assert refused.value.code == "bad_parameter"


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        ("UNAVAILABLE", "in ensemble 'alexnet', Exceeds maximum queue size", errors.Overloaded),
        ("UNAVAILABLE", "Request timeout expired", errors.Overloaded),
        ("UNAVAILABLE", "Socket closed", errors.ServerUnreachable),
        ("RESOURCE_EXHAUSTED", "", errors.Overloaded),
        ("UNAVAILABLE", "Request for unknown model: 'alexnet'", errors.Overloaded),
        ("UNAUTHENTICATED", "", errors.NotAllowed),
        ("INVALID_ARGUMENT", "unexpected shape for input 'images'", errors.UnexpectedReply),
        ("INTERNAL", "CUDA out of memory", errors.ServerFault),
    ],
)
def test_what_triton_says_in_this_packages_errors(
    status: str, text: str, kind: type[errors.ClientError]
) -> None:
    error = refusal("grpc://h:8001", f"StatusCode.{status}", text)
    assert type(error) is kind
    assert text in error.detail
