"""What the OpenAPI document says is so, for whatever is sent by it or against it."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from importlib import resources
from multiprocessing import get_context
from pathlib import Path

import httpx
import pytest

from tests.faults.api.asking import CASES, SEED, Found, ask
from tests.faults.api.narrow_document import narrowed, pictures, takes_nothing
from tests.running_server import running_server

DOCUMENT = json.loads(resources.files("alexnet_server").joinpath("openapi.json").read_text())
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if method != "parameters"
]
IMAGES = [path for path in DOCUMENT["paths"] if path.startswith("/images")]
OTHERS = [path for path in DOCUMENT["paths"] if path not in IMAGES]


@pytest.fixture(scope="module")
def found(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """The halves at once, one for each core, each with a server of its own."""
    folder = tmp_path_factory.mktemp("document")
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(2, get_context("spawn")))
        runs = []
        for name, paths in (("images", IMAGES), ("others", OTHERS)):
            index = folder / f"{name}.sqlite"
            server = stack.enter_context(running_server(repository, index))
            served = httpx.get(f"{server.url}/openapi.json").json()
            runs.append(pool.submit(ask, server.url, narrowed(served), paths, pictures()))
        images, others = (run.result() for run in runs)
        assert not images.keys() & others.keys()  # nothing is asked twice
        return images | others


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_as_described(found: dict[str, Found], operation: str) -> None:
    one = found[operation]
    sys.stderr.write(f"seed {SEED}: {one.cases} cases, answered {sorted(one.statuses)}\n")
    assert "\n\n".join(one.faults) == ""
    path = DOCUMENT["paths"][operation.partition(" ")[2]]
    assert one.cases >= (1 if takes_nothing(path) else CASES)
    assert min(one.statuses) < 300  # a good answer was among them
