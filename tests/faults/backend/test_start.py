"""What a server beside a Triton does without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SERVE_WITHOUT_RUNTIME = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "openvino":
            raise ModuleNotFoundError(f"{name} must not be needed beside a Triton")
sys.meta_path.insert(0, Refuse())
from alexnet_server.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_beside_a_triton_no_openvino_is_needed(repository: Path, tmp_path: Path) -> None:
    flags = ("serve", "--repository", str(repository), "--port", "0")
    index = ("--index", f"sqlite:///{tmp_path}/index.sqlite")
    command = [sys.executable, "-c", SERVE_WITHOUT_RUNTIME, *flags, *index]
    with subprocess.Popen(
        [*command, "--engine", "triton://127.0.0.1:1"], stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for = iter(process.stderr.readline, "")
        assert any(line.startswith("serving") for line in wait_for)
        process.terminate()
    assert process.returncode == 0
    local = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "must not be needed" in local.stderr
