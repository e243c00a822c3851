"""What ``alexnet-export verify`` and the start of a server refuse, and that they say where."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from alexnet_export import cli, verify
from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.layers import DIALECTS
from alexnet_repository.errors import FilesDisagree, RepositoryError
from alexnet_repository.repository import open_repository
from alexnet_server import cli as server_cli
from alexnet_server import serve as serving
from tests.random_checkpoint import CLASSES, NARROW, write_random_checkpoint
from tests.running_server import clean_environment, command
from tests.unit.repository.test_repository import external, foreign_operator, relist

Refusals = Callable[[], list[str]]
TOWERS = ("s1_conv12", "s2_conv345", "s3_fc6", "s4_fc7")
PARTS = ("conv1", *(f"{stage}_tower{tower}" for stage in TOWERS for tower in (0, 1)), "s5_fc8")
FILES = (
    *(f"alexnet/{name}" for name in ("1/.keep", "config.pbtxt", "golden.npz", "labels.txt")),
    *(f"{part}/{name}" for part in PARTS for name in ("1/model.onnx", "config.pbtxt")),
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        (folder / "run").mkdir()
        write_random_checkpoint(NARROW, folder / "run")
        deploy(folder / "run", Deployment(folder / "repository"))
    return folder / "repository"


@pytest.fixture
def root(deployed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(deployed, tmp_path / "repository"))


@pytest.fixture
def refused(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Refusals:
    """What ``verify`` and ``serve`` say; a server that would listen fails the test."""

    def listen(*_: object, **__: object) -> None:
        raise AssertionError("the server would have listened")

    monkeypatch.setattr(serving, "create_server", listen)
    index = f"sqlite:///{tmp_path}/index.sqlite"

    def ask() -> list[str]:
        at = ("--repository", str(root))
        said = []
        for main, arguments in (
            (cli.main, ["verify", *at]),
            (server_cli.main, ["serve", *at, "--index", index]),
        ):
            assert main(arguments) == 1
            printed = capsys.readouterr()
            assert printed.out == ""
            assert printed.err.count("\n") == 1
            said.append(printed.err)
        return said

    return ask


def test_what_a_deploy_wrote_passes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(json.loads((root / "alexnet/manifest.json").read_text())["files"]) == set(FILES)
    assert cli.main(["verify", "--repository", str(root)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    digest = open_repository(root).digest[:12]
    assert f"version 1 ({digest}), narrow, towers on cpu, fp32" in printed.out
    assert re.search(r"^files +24 as the manifest lists them", printed.out, re.M)
    assert re.search(r"^graphs +10 hold known operators", printed.out, re.M)
    assert re.search(r"^configurations +11 agree .* 9 steps are complete$", printed.out, re.M)
    assert re.search(r"^known answers +given to 8 pictures, .* 1\.000000$", printed.out, re.M)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_named(name: str, root: Path, refused: Refusals) -> None:
    content = bytearray((root / name).read_bytes()) or bytearray(1)
    content[len(content) // 2] ^= 1
    (root / name).write_bytes(content)
    assert all(f"{name} was changed" in said for said in refused())


@pytest.mark.parametrize(
    "name", ["s5_fc8/1/model.py", "s5_fc8/model.py", "alexnet/x/y", "new/1/model.onnx"]
)
def test_an_unlisted_file_is_named(name: str, root: Path, refused: Refusals) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("import os")
    assert all(f"{name} is not listed" in said for said in refused())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: external(model, location="../../../etc/passwd"), "external data"),
        (lambda model: external(model, location="/etc/passwd"), "external data"),
        (lambda model: external(model, location="w", offset="-4"), "external data"),
        (foreign_operator, "operator ai.onnx.Loop"),
    ],
)
def test_an_unsafe_graph_is_named(
    change: Callable[[onnx.ModelProto], None],
    said: str,
    root: Path,
    refused: Refusals,
) -> None:
    name = "s4_fc7_tower1/1/model.onnx"
    model = onnx.load(root / name)
    change(model)
    (root / name).write_bytes(model.SerializeToString())
    relist(root, name)
    for message in refused():
        assert said in message
        assert name in message


def swap(root: Path, stage: str, name: str, *, relisted: bool) -> None:
    one, other = (f"{stage}_tower{tower}{name}" for tower in (0, 1))
    (root / one).rename(root / "kept")
    (root / other).rename(root / one)
    (root / "kept").rename(root / other)
    if relisted:
        for place in (one, other):
            files = [root / place] if (root / place).is_file() else (root / place).rglob("*.*")
            for path in files:
                relist(root, path.relative_to(root).as_posix())


@pytest.mark.parametrize("stage", TOWERS)
@pytest.mark.parametrize(
    ("name", "relisted"),
    [("/1/model.onnx", False), ("", False), ("/1/model.onnx", True), ("", True)],
)
def test_swapped_towers_are_named(
    stage: str, name: str, relisted: bool, root: Path, refused: Refusals
) -> None:
    said = "holds the graph" if relisted else "was changed"
    swap(root, stage, name, relisted=relisted)
    assert all(f"{stage}_tower0/1/model.onnx {said}" in message for message in refused())


def test_towers_swapped_in_all_but_their_weights_answer_wrongly(
    root: Path, refused: Refusals
) -> None:
    """Names, ports, configurations and digests fit: only the known pictures can tell."""
    models = [onnx.load(root / f"s2_conv345_tower{tower}/1/model.onnx") for tower in (0, 1)]
    weights = [list(model.graph.initializer) for model in models]
    one, other = ([tensor.name for tensor in own] for own in weights)
    assert one == other
    for tower, model in enumerate(models):
        del model.graph.initializer[:]
        model.graph.initializer.extend(weights[1 - tower])
        name = f"s2_conv345_tower{tower}/1/model.onnx"
        (root / name).write_bytes(model.SerializeToString())
        relist(root, name)
    open_repository(root)
    assert all("known answers" in message for message in refused())


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new, 1))
    relist(root, name)


@pytest.mark.parametrize(
    ("name", "edited", "said"),
    [
        ("conv1/config.pbtxt", ('"conv1"', '"conv2"'), "conv1/config.pbtxt is the configuration"),
        ("s5_fc8/config.pbtxt", ('"features"', '"feature"'), "gives 'feature' as nothing"),
        ("s5_fc8/config.pbtxt", ("TYPE_FP32", "TYPE_FP16"), "as FLOAT [16]"),
        ("s5_fc8/config.pbtxt", ("dims: [6]", "dims: [7]"), "'probabilities' as FLOAT [6]"),
        ("alexnet/config.pbtxt", ("dims: [6]", "dims: [7]"), "alexnet reads 'probabilities' as"),
        ("alexnet/config.pbtxt", ('"s3_fc6_tower1"', '"s3_fc6"'), "through s3_fc6/1, which is not"),
        (
            "alexnet/config.pbtxt",
            ("model_version: 1", "model_version: 2"),
            "/2, which is not there",
        ),
        (
            "alexnet/config.pbtxt",
            ('key: "images"', 'key: "image"'),
            "the inputs of s1_conv12_tower0",
        ),
        ("alexnet/config.pbtxt", ('value: "images"', 'value: "photos"'), "reads 'photos' as UINT8"),
        ("alexnet/config.pbtxt", ('value: "conv2_tower1"', 'value: "conv2_tower0"'), "given twice"),
        ("alexnet/labels.txt", ("flower", "house"), "labels.txt holds other labels"),
        ("alexnet/labels.txt", ("square\n", "square\nmore\n"), "labels.txt holds other labels"),
    ],
)
def test_files_that_do_not_fit_together_are_named(
    name: str, edited: tuple[str, str], said: str, root: Path, refused: Refusals
) -> None:
    edit(root, name, *edited)
    for message in refused():
        assert said in message
        assert Path(name).parts[0] in message


def test_versions_that_do_not_fit_together(root: Path, refused: Refusals) -> None:
    manifest = root / "alexnet" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": "1"', '"version": "2"'))
    assert all("holds the versions 1, but the manifest is of version 2" in m for m in refused())
    manifest.write_text(manifest.read_text().replace('"version": "2"', '"version": "1"'))
    (root / "alexnet" / "7").mkdir()
    assert all("holds the versions 1, 7" in said for said in refused())


def test_known_pictures_that_cannot_be_read(root: Path, refused: Refusals) -> None:
    name = "alexnet/golden.npz"
    for content in (b"", b"PK nothing"):
        (root / name).write_bytes(content)
        relist(root, name)
        assert all("golden.npz cannot be read" in said for said in refused())
    np.savez(root / name, images=np.zeros((1, 224, 224, 3), np.uint8))
    relist(root, name)
    assert all("golden.npz cannot be read" in said for said in refused())


@pytest.mark.parametrize("key", sorted(verify.MANIFEST_KEYS - {"model", "classes", "files"}))
def test_an_incomplete_manifest_is_named(key: str, root: Path) -> None:
    path = root / "alexnet" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest[key]
    path.write_text(json.dumps(manifest))
    with pytest.raises(RepositoryError, match=rf"manifest\.json has no {key}"):
        verify.verify(root)


def test_the_manifest_says_where_all_comes_from(deployed: Path) -> None:
    manifest = json.loads((deployed / "alexnet" / "manifest.json").read_text())
    assert set(manifest) >= verify.MANIFEST_KEYS
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        _, digest = load_checkpoint(deployed.parent / "run")
    assert manifest["model"] == {"name": "alexnet", "version": "1", "digest": digest}
    assert manifest["classes"] == list(CLASSES)
    assert manifest["metrics"] == {"top1": 0.25, "top5": 0.75, "n": 12}
    exporters = {"alexnet-export", "numpy", "onnx", "onnxruntime", "python"}
    assert set(manifest["versions"]) == exporters
    assert manifest["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert manifest["versions"]["onnx"] == onnx.__version__


@pytest.mark.parametrize(
    "options", [{"layout": "single"}, {"devices": ("cuda:0", "cuda:1"), "precision": "fp16"},
                {"precision": "int8"}],
)  # fmt: skip
def test_every_kind_of_repository_can_be_verified_on_a_cpu(
    options: dict, narrow_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root, max_top1_loss=100, **options))
    assert cli.main(["verify", "--repository", str(root)]) == 0
    assert "known answers   given to 8 pictures" in capsys.readouterr().out


WITHOUT_RUNTIME = """
import importlib.util, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "onnxruntime":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name == "onnxruntime" else found(name, package)
)
from alexnet_export.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_without_a_runtime_the_known_answers_are_not_asked(root: Path) -> None:
    def verify_in_process() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_RUNTIME, "verify", "--repository", str(root)],
            capture_output=True,
            text=True,
            check=False,
        )

    done = verify_in_process()
    assert done.returncode == 0, done.stderr
    assert "known answers   not asked: onnxruntime is not installed" in done.stdout
    (root / "s5_fc8" / "1" / "model.py").write_text("import os")
    done = verify_in_process()
    assert done.returncode == 1
    assert "model.py is not listed" in done.stderr


def test_the_installed_commands_refuse(root: Path, tmp_path: Path) -> None:
    (root / "s5_fc8" / "1" / "model.py").write_text("import os")
    for arguments in (
        ("alexnet-export", "verify"),
        ("alexnet-server", "serve", "--port", "0", "--index", f"sqlite:///{tmp_path}/i.sqlite"),
    ):
        name, *flags = arguments
        done = subprocess.run(
            [command(name), *flags, "--repository", str(root)],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment(),
            timeout=120,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"{name}: ")
        assert "s5_fc8/1/model.py is not listed" in done.stderr


def test_a_deploy_under_the_reader_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def disturbed(folder: Path) -> object:
        reads.append(folder)
        if len(reads) == 1:  # as if another deploy had been switched in half way through
            path = folder / "alexnet" / "manifest.json"
            path.write_text(path.read_text() + "\n")
            raise FilesDisagree("two deploys were mixed")
        return open_repository(folder)

    monkeypatch.setattr(verify, "open_repository", disturbed)
    assert verify.verify(root).files == len(FILES)
    assert len(reads) == 2
