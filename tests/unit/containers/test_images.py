"""The Dockerfile: hadolint finds nothing in it, and each image is what docs/operations.md says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.containers.written import DOCKERFILE, ROOT, SERVICES, bases, instructions

IMAGES = ("server", "server-gpu", "triton", "train")


def last(stage: str, name: str) -> str:
    """The arguments of an instruction that the last one decides."""
    return [arguments for one, arguments in instructions(stage) if one == name][-1]


def hadolint(dockerfile: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("hadolint")
    return subprocess.run([program, dockerfile], capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing() -> None:
    linted = hadolint(ROOT / "Dockerfile")
    assert (linted.returncode, linted.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    other = tmp_path / "Dockerfile"
    other.write_text(DOCKERFILE.replace("WORKDIR /build", "WORKDIR build"))
    assert "DL3000" in hadolint(other).stdout


@pytest.mark.parametrize("stage", IMAGES)
def test_no_image_runs_as_root(stage: str) -> None:
    user = last(stage, "USER")
    assert int(user.split(":")[0]) > 0
    after = [name for name, _ in instructions(stage)]
    assert "RUN" not in after[after.index("USER") :]  # what it runs was not written by its user


def test_the_server_is_what_is_built_without_a_target() -> None:
    assert list(bases())[-1] == "server"


@pytest.mark.parametrize("stage", ["server", "server-gpu"])
def test_a_server_says_how_it_is(stage: str) -> None:
    assert "http://127.0.0.1:8080/livez" in last(stage, "HEALTHCHECK")
    assert last(stage, "STOPSIGNAL") == "SIGTERM"
    assert last(stage, "VOLUME") == "/var/lib/alexnet"
    assert json.loads(last(stage, "ENTRYPOINT")) == ["alexnet-server"]


@pytest.mark.parametrize(
    ("stage", "packages"),
    [
        ("build", ["./server[${EXTRA}]"]),
        ("build-gpu", ["./server[serve-gpu]"]),
        ("build-train", ["./server", "./export[prove]", "./client", "./training"]),
    ],
)
def test_what_is_installed(stage: str, packages: list[str]) -> None:
    *_, run = (arguments for name, arguments in instructions(stage) if name == "RUN")
    install, *after = run.split(" && ")
    words = shlex.split(install)
    assert words[:2] == ["/opt/alexnet/bin/pip", "install"]
    assert [word for word in words if word.startswith("./")] == packages
    assert words[words.index("--constraint") + 1] == "constraints.txt"
    assert "--no-build-isolation" in words  # else setuptools comes at a version of its own
    if stage != "build-train":  # PyTorch needs setuptools
        assert after == ["/opt/alexnet/bin/pip uninstall --yes setuptools pip"]
    copied = {arguments.split()[0] for name, arguments in instructions(stage) if name == "COPY"}
    folders = {package[2:].split("[")[0] for package in packages}
    assert copied == {"constraints.txt", *folders}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored and {f"!{name}" for name in copied} <= set(ignored)


def test_a_server_has_no_torch() -> None:
    assert "torch" not in (ROOT / "server" / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("stage", "source"),
    [("server", "build"), ("server-gpu", "build-gpu"), ("train", "build-train")],
)
def test_an_image_takes_what_was_installed_for_it(stage: str, source: str) -> None:
    assert [arguments for name, arguments in instructions(stage) if name == "COPY"] == [
        f"--from={source} /opt/alexnet /opt/alexnet"
    ]


@pytest.mark.parametrize("stage", ["server", "server-gpu", "train"])
def test_onnxruntime_reports_nothing(stage: str) -> None:
    set_here = " ".join(arguments for name, arguments in instructions(stage) if name == "ENV")
    assert "ORT_DISABLE_TELEMETRY=1" in set_here.split()


def test_cudas_wheels_are_pinned_for_both_gpu_images() -> None:
    """PyTorch asks for exact versions, ONNX Runtime for any of a range: one set serves both."""
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines()[1:]
    )
    for name in ("onnxruntime-gpu", "nvidia-cudnn-cu13", "nvidia-cublas", "nvidia-cufft"):
        assert name in pinned
    assert pinned["onnxruntime-gpu"] == pinned["onnxruntime"]


def test_nothing_is_added_to_nvidias_triton() -> None:
    assert bases()["triton"] == "${TRITON_IMAGE}"
    assert {name for name, _ in instructions("triton")} == {
        "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD",
    }  # fmt: skip


def test_the_document_builds_and_runs_every_image() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text.partition("\n## Containers\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^docker .*$", section.replace("\\\n", " "), re.MULTILINE)
    built, run = set(), set()
    for line in lines:
        words = shlex.split(line)
        if words[1] == "build":
            target = words[words.index("--target") + 1]
            assert words[words.index("--tag") + 1] == f"alexnet-{target}"
            built.add(target)
        elif words[1] == "run":
            assert {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= set(
                words
            )
            (image,) = [word for word in words if word.startswith("alexnet-")][:1]
            run.add(image.removeprefix("alexnet-"))
    assert built == run == set(IMAGES)


def test_compose_builds_stages_that_exist() -> None:
    assert SERVICES["triton"]["build"]["target"] == "triton"
    assert SERVICES["server"]["build"]["target"] == "server"
