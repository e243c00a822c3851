"""What the OpenAPI document says is so, for whatever is sent by it or against it."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from importlib import resources
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.faults.api.asking import CASES, SEED, Found, ask
from tests.running_server import running_server

DOCUMENT = json.loads(resources.files("alexnet_server").joinpath("openapi.json").read_text())
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if method != "parameters"
]
# With the page on their side the stored pictures take as long as all the others.
IMAGES = [path for path in DOCUMENT["paths"] if path == "/" or path.startswith("/images")]
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
            runs.append(pool.submit(ask, server.url, paths))
        images, others = (run.result() for run in runs)
        assert not images.keys() & others.keys()  # nothing is asked twice
        return images | others


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_as_described(found: dict[str, Found], operation: str) -> None:
    one = found[operation]
    sys.stderr.write(f"seed {SEED}: {one.cases} cases, answered {sorted(one.statuses)}\n")
    assert "\n\n".join(one.faults) == ""
    assert one.cases >= CASES
    assert min(one.statuses) < 300  # a good answer was among them
