"""Every block of commands in the documents: run as it stands, or said where else or why not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.integration.documents.workshop import ROOT, Workshop

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("[!.]*/README.md")])
BLOCKS = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SERVES = re.compile(r"(\S+/)?alexnet-server serve\b")
CONTAINERS = "needs Docker; the images' own lines run in tests/unit/containers"
CLUSTER = "needs a cluster; what is applied is rendered in tests/unit/kubernetes"
BENCHMARK = "takes minutes to hours, and a machine that does nothing else"
INTERNET = "needs the internet; tests/unit/importing has such files, tests/newcomer no internet"
TRAINS = "takes minutes to hours; tests/unit/training and tests/newcomer train"
TUNES = "tests/unit/training/test_fine_tuning.py"
PACKAGES = "tests/unit/test_packages.py installs the packages"
STARTS = "tests/newcomer"
TWO_GPUS = "tests/unit/test_triton_document.py"
TRITON = "tests/triton, where a Triton runs"
# A document and how lines of it begin that do not run here -> where they do, or why nowhere.
ELSEWHERE = {
    ("CONTRIBUTING.md", "make "): "this very run, or hours",
    ("README.md", "make "): STARTS,
    ("README.md", "make test"): "this very run",
    ("README.md", "apt-get"): ".ci/run",
    ("README.md", ".venv/bin/alexnet-train digits"): STARTS,
    ("README.md", ".venv/bin/alexnet-export import"): INTERNET,
    ("README.md", "pip install"): PACKAGES,
    ("client/README.md", "pip install"): PACKAGES,
    ("client/README.md", "alexnet similar ID"): "tests/integration/test_client.py",
    ("client/README.md", "alexnet thumbnail ID"): "tests/integration/test_client.py",
    ("docs/api.md", "import base64"): "openai is not installed; tests/integration/test_openapi.py",
    ("docs/billion.md", "pip install"): PACKAGES,
    ("docs/billion.md", "export RAY"): "tests/integration/test_ray.py, on a cluster of one",
    ("docs/billion.md", "alexnet score"): "tests/integration/test_ray.py",
    ("docs/billion.md", "from pathlib"): "tests/integration/test_ray.py",
    ("docs/billion.md", "import ray"): "tests/integration/test_ray.py",
    ("docs/compressed.md", "alexnet-train compress"): "tests/unit/training/test_compress.py",
    ("docs/compressed.md", "alexnet-export deploy"): "tests/integration/test_compressed.py",
    ("docs/compressed.md", ".venv/bin/alexnet-train compare"): (
        "tests/unit/training/test_comparison.py, with a model of the same classes"
    ),
    ("docs/evaluation.md", ".venv/bin/alexnet-train report"): "tests/unit/training/test_report.py",
    ("docs/evaluation.md", ".venv/bin/alexnet-train compare"): (
        "tests/unit/training/test_comparison.py"
    ),
    ("docs/finetuning.md", ".venv/bin/alexnet-export import"): INTERNET,
    (
        "docs/finetuning.md",
        ".venv/bin/alexnet-train fit",
    ): "tests/unit/training/test_fine_tuning.py",
    ("docs/finetuning.md", "make serve"): STARTS,
    ("docs/kubernetes.md", "alexnet-export"): TWO_GPUS,
    ("docs/kubernetes.md", "rclone"): CLUSTER,
    ("docs/kubernetes.md", "kubectl"): CLUSTER,
    ("docs/kubernetes.md", "curl"): CLUSTER,
    ("docs/models.md", "make serve"): STARTS,
    ("docs/models.md", "alexnet-export import"): INTERNET,
    ("docs/models.md", "alexnet-export deploy"): "tests/integration/test_public_dialects.py",
    ("docs/models.md", "alexnet-train fit"): TUNES,
    ("docs/networks.md", ".venv/bin/alexnet-train fit"): TRAINS,
    ("docs/operations.md", "promtool"): "tests/faults/observing, where promtool is installed",
    ("docs/operations.md", "jq"): "jq is not installed; tests/unit/server/test_request_log.py",
    ("docs/operations.md", "alexnet-server index reindex"): (
        "tests/faults/index/test_reindex_killed.py, with pictures to make anew"
    ),
    ("docs/operations.md", "docker"): CONTAINERS,
    ("docs/parity.md", "make triton"): TRITON,
    ("docs/parity.md", "alexnet-train parity"): "tests/integration/test_parity_table.py",
    ("docs/performance.md", ""): BENCHMARK,
    ("docs/scale.md", "alexnet-server serve"): "tests/integration/index/test_milvus.py",
    ("docs/scale.md", "MILVUS="): "tests/integration/index/test_suite.py",
    ("docs/scale.md", "alexnet-server index"): "tests/integration/index/test_moving.py",
    ("docs/search.md", "alexnet-train codes"): "tests/unit/training/test_codes.py",
    ("docs/search.md", "alexnet-server serve --codes"): "tests/integration/index/test_served.py",
    ("docs/search.md", ".venv/bin/python"): BENCHMARK,
    ("docs/search.md", "python3"): BENCHMARK,
    ("docs/scoring.md", "pip install"): PACKAGES,
    ("docs/training.md", ""): TRAINS,
    ("docs/triton.md", "docker"): CONTAINERS,
    ("docs/triton.md", "alexnet-server serve"): TRITON,
    ("docs/triton.md", "curl"): TRITON,
    ("docs/triton.md", "alexnet-export"): TWO_GPUS,
    ("docs/triton.md", "alexnet-export reload"): "tests/triton/test_reload.py",
    ("docs/triton.md", "make triton"): TRITON,
    ("examples/README.md", ""): "tests/integration/test_examples.py",
    ("starter/README.md", ""): TRAINS,
}
# Lines that show how it is refused.
REFUSED = {("docs/api.md", "curl --data-binary @notes.txt"): "415 unsupported_format"}


def blocks(document: Path) -> Iterator[tuple[str, list[str]]]:
    """The language of each block and its lines, continued ones as one; Python's as one text."""
    for language, block in BLOCKS.findall(document.read_text()):
        if language == "python":
            yield language, [block]
        else:
            joined = block.replace("\\\n", " ").splitlines()
            yield language, [line for line in joined if line.strip() and not line.startswith("#")]


def named(table: dict[tuple[str, str], str], document: Path, line: str) -> tuple[str, str] | None:
    """The key of the table that means this line: the longest, where several do."""
    name = str(document.relative_to(ROOT))
    found = [key for key in table if key[0] == name and line.startswith(key[1])]
    return max(found, key=lambda key: len(key[1]), default=None)


def pieces(document: Path) -> Iterator[tuple[str, str]]:
    """What runs at a time: the lines of a block, but for those that serve or are refused."""
    for language, lines in blocks(document):
        mine = [line for line in lines if not named(ELSEWHERE, document, line)]
        for is_single, some in groupby(mine, lambda line: is_alone(document, line)):
            together = list(some)
            texts = together if is_single else ["\n".join(together)]
            yield from ((language, text) for text in texts)


def is_alone(document: Path, line: str) -> bool:
    return bool(SERVES.match(line) or named(REFUSED, document, line))


@pytest.fixture
def workshop(narrow_inside: Path, tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path, narrow_inside)
    yield made
    made.close()


@pytest.mark.parametrize(
    "document",
    [one for one in DOCUMENTS if any(pieces(one))],
    ids=lambda one: str(one.relative_to(ROOT)),
)
def test_what_is_written_runs(document: Path, workshop: Workshop) -> None:
    for language, piece in pieces(document):
        if SERVES.match(piece):
            workshop.serve(piece)
            continue
        if "index repair" in piece:  # no server may hold the file then, as the document says
            workshop.close()
        done = workshop.run(language, piece)
        refused = named(REFUSED, document, piece)
        assert (done.returncode != 0) == bool(refused), f"{piece}\n{done.stdout}{done.stderr}"


def test_nothing_is_said_of_what_is_not_written() -> None:
    written = [(one, line) for one in DOCUMENTS for _, lines in blocks(one) for line in lines]
    for table in (ELSEWHERE, REFUSED):
        assert {named(table, one, line) for one, line in written} - {None} == set(table)
