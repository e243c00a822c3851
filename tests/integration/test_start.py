"""What alexnet-server does at its start and its end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.repository import Repository
from alexnet_server.deployed import open_deployed
from alexnet_server.engine.batching import BatchingEngine
from alexnet_server.index.opening import Indexes
from tests.local_engine import local_engine
from tests.running_server import clean_environment, command, running_server

NOT_NEEDED = ("torch", "sklearn", "safetensors", "alexnet_export", "alexnet_training")
SERVE_WITHOUT = """
import sys
sys.path.insert(0, "")
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"{{name}} must not be needed to serve")
sys.meta_path.insert(0, Refuse())
from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_server.app import create_app
from alexnet_server.index.opening import Indexes
from alexnet_server.serve import _follow
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from pathlib import Path
settings = Settings(repository=Path(sys.argv[1]), index="sqlite:///" + sys.argv[2])
served = Served.of(settings, _follow(settings, Indexes(sys.argv[2]), None, lambda *_: None))
picture = Path(sys.argv[3]).read_bytes()
answer = create_app(served).test_client().post("/classify", data=picture)
print(answer.status_code, sorted(set({names!r}) & {{name.split(".")[0] for name in sys.modules}}))
"""


def test_serving_needs_no_torch(narrow_inside: Path, photos: Path, tmp_path: Path) -> None:
    picture = photos / "flower" / "1.jpg"
    script = SERVE_WITHOUT.format(names=NOT_NEEDED)
    arguments = (narrow_inside, tmp_path / "index.sqlite", picture)
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "200 []", done.stderr


def refusal(*flags: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [command("alexnet-server"), "serve", *flags],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment() | environment,
    )
    return done.returncode, done.stderr


def test_refusals_are_one_clear_line(narrow_inside: Path, tmp_path: Path) -> None:
    code, message = refusal("--repository", str(tmp_path))
    assert code == 1
    assert message.startswith("alexnet-server: no model is deployed in")
    assert message.count("\n") == 1
    code, message = refusal(ALEXNET_PROT="1")
    assert (code, message.count("\n")) == (1, 1)
    assert "unknown variable ALEXNET_PROT" in message
    with running_server(narrow_inside, tmp_path / "index.sqlite") as server:
        code, message = refusal(
            *("--repository", str(narrow_inside), "--port", str(server.port)),
            *("--index", f"sqlite:///{tmp_path}/other.sqlite"),
        )
        assert code == 1
        assert "in use" in message


def test_a_deploy_during_the_start_is_read_whole(narrow_checkpoint: Path, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    first, _ = deploy(narrow_checkpoint, Deployment(root))
    loaded, _ = load_checkpoint(narrow_checkpoint)
    loaded.tensors["fc8.bias"][0] += 1
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(narrow_checkpoint / "pictures.npz", other)
    save_checkpoint(loaded, other)
    deployed: list[dict] = []

    def slow(repository: Repository) -> BatchingEngine:
        if not deployed:  # another deploy comes after the manifest was read
            deployed.append(deploy(other, Deployment(root))[0])
        return local_engine(repository)

    now = open_deployed(root, slow, Indexes(tmp_path / "index.sqlite"))
    assert now.repository.digest == deployed[0]["model"]["digest"] != first["model"]["digest"]
    now.close()


def test_sigterm_ends_it_cleanly(narrow_inside: Path, tmp_path: Path) -> None:
    with running_server(narrow_inside, tmp_path / "index.sqlite") as server:
        assert httpx.get(f"{server.url}/livez").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert "Traceback" not in "".join(server.messages)
