"""`alexnet-export import`, from a real server on a real socket into a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.cli import main
from alexnet_export.importing.download import RemoteFile
from alexnet_export.importing.imagenet_names import imagenet_names
from tests.file_server import FileServer, served

# torchvision's documented names and shapes, weights alone.
WEIGHTS = {
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
    "classifier.1": (4096, 9216),
    "classifier.4": (4096, 4096),
    "classifier.6": (1000, 4096),
}
NAME = "alexnet-owt.pth"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision's, of 244 MB; what the numbers are matters elsewhere."""
    tensors = {}
    for number, (name, shape) in enumerate(WEIGHTS.items()):
        tensors[f"{name}.weight"] = torch.full(shape, 0.001 * (number + 1))
        tensors[f"{name}.bias"] = torch.arange(shape[0]) / 1000
    path = tmp_path_factory.mktemp("source") / NAME
    torch.save(tensors, path)
    return path


@pytest.fixture(scope="module")
def serving(file: Path) -> Iterator[FileServer]:
    with served(file.read_bytes()) as server:
        yield server


@pytest.fixture
def server(serving: FileServer) -> FileServer:
    serving.seen.clear()
    serving.statuses.clear()
    serving.cuts.clear()
    return serving


@pytest.fixture(scope="module")
def known(serving: FileServer) -> RemoteFile:
    return RemoteFile(NAME, (serving.address,), len(serving.content), serving.sha256)


Import = Callable[..., int]


@pytest.fixture
def imported(known: RemoteFile, tmp_path: Path) -> Import:
    """`alexnet-export import` with everything it writes below ``tmp_path``."""

    def run(*words: str, source: str = "torchvision", **given: object) -> int:
        out, remote = given.get("out", tmp_path / "run"), given.get("remote", known)
        places = ("--downloads", str(tmp_path / "downloads"), "--out", str(out))
        return main(["import", source, *places, *words], published={source: remote})

    return run


def test_it_is_downloaded_imported_and_then_nothing_is_done_anew(
    server: FileServer,
    imported: Import,
    known: RemoteFile,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.cuts = [200_000_000]
    assert imported("--download") == 0
    assert server.ranges() == [None, "bytes=200000000-"]
    said = capsys.readouterr()
    assert said.out == ""
    assert f"fetching {NAME} from {server.address}: {len(server.content):,} bytes" in said.err
    checkpoint, digest = load_checkpoint(tmp_path / "run")
    assert checkpoint.dialect.name == "torchvision"
    assert checkpoint.classes == imagenet_names()
    assert checkpoint.recipe["imported"]["sha256"] == known.sha256
    with np.load(tmp_path / "run" / "pictures.npz", allow_pickle=False) as pictures:
        assert pictures["drawn"]
    assert not (tmp_path / "run" / "metrics.json").exists()  # nothing was measured
    assert f"imported into {tmp_path / 'run'} ({digest[:12]})" in said.err

    # Neither the network nor the file is needed for the same again.
    before = (tmp_path / "run" / "weights.safetensors").stat()
    (tmp_path / "downloads" / NAME).unlink()
    assert imported("--download") == imported() == 0
    assert "already imported" in capsys.readouterr().err
    assert len(server.seen) == 2
    assert (tmp_path / "run" / "weights.safetensors").stat() == before


def test_a_file_in_the_folder_of_downloads_needs_no_network(
    server: FileServer,
    imported: Import,
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / NAME).hardlink_to(file)
    assert imported() == 0
    assert server.seen == []
    # The same file from elsewhere is the same network.
    capsys.readouterr()
    assert imported("--file", str(file), "--unverified") == 0
    assert "already imported" in capsys.readouterr().err


def test_a_file_that_was_not_published_has_to_be_meant(
    imported: Import, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1  # a weight's last bit
    other = tmp_path / "other.pth"
    other.write_bytes(content)
    assert imported("--file", str(other)) == 1
    assert "--unverified" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_a_network_it_exits_3_and_says_what_to_fetch_where(
    imported: Import, known: RemoteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = replace(known, addresses=("http://127.0.0.1:9/file",))
    assert imported("--download", remote=away) == 3
    said = capsys.readouterr().err
    for needed in (
        "http://127.0.0.1:9/file",
        f"{known.size_bytes:,} bytes",
        known.sha256,
        str(tmp_path / "downloads" / NAME),
    ):
        assert needed in said
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_gone_from_its_address_exits_1(
    server: FileServer, imported: Import, capsys: pytest.CaptureFixture[str]
) -> None:
    server.statuses.append(404)
    assert imported("--download") == 1
    assert "answers 404 Not Found" in capsys.readouterr().err


def test_without_a_file_it_says_which_to_get_where(
    server: FileServer,
    imported: Import,
    known: RemoteFile,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert imported(source="caffe") == 1
    said = capsys.readouterr().err
    for needed in ("--download", "--file", server.address, known.sha256, str(tmp_path)):
        assert needed in said
    assert server.seen == []


def test_words_that_do_not_go_together(
    server: FileServer, imported: Import, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        imported("--download", "--file", "x")
    assert imported("--download", "--unverified") == 1
    assert "--unverified is for --file" in capsys.readouterr().err
    assert imported("--file", "x", "--mean", "y") == 1
    assert "--mean is for caffe" in capsys.readouterr().err
    assert imported("--file", str(tmp_path / "nowhere.pth")) == 1
    assert f"no file at {tmp_path / 'nowhere.pth'}" in capsys.readouterr().err
    assert server.seen == []


def test_a_trained_network_is_not_written_over(
    server: FileServer,
    imported: Import,
    narrow_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {path.name: path.read_bytes() for path in narrow_checkpoint.iterdir()}
    assert imported("--download", source="caffe", out=narrow_checkpoint) == 1
    assert "holds a trained network" in capsys.readouterr().err
    (narrow_checkpoint / "weights.safetensors").unlink()  # one whose training has just begun
    assert imported("--download", source="caffe", out=narrow_checkpoint) == 1
    assert "is not an imported network, it has metrics.json" in capsys.readouterr().err
    del before["weights.safetensors"]
    assert {path.name: path.read_bytes() for path in narrow_checkpoint.iterdir()} == before
    assert server.seen == []


def test_help_names_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["import", "--help"])
    said = capsys.readouterr().out
    for needed in ("examples:", "0 done", "1 refused", "2 usage", "3 the network is closed", "130"):
        assert needed in said
    assert "--repository" not in said
