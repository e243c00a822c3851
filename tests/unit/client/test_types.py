import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# What the calls are made of is checked with the package; here it is what they look like outside.
CONFIG = f"""
[mypy]
strict = true
mypy_path = {ROOT / "client"}
explicit_package_bases = true
namespace_packages = true
follow_imports = silent
[mypy-httpx.*,pyarrow.*,ray.*,tritonclient.*]
follow_imports = skip
ignore_missing_imports = true
"""


def check(source: Path, folder: Path) -> str:
    config = folder / "mypy.ini"
    config.write_text(CONFIG)
    words = ("-m", "mypy", "--config-file", config, "--cache-dir", "/dev/null", source)
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_both_clients_are_typed_as_they_behave(tmp_path):
    source = Path(__file__).with_name("typed_calls.py")
    said = check(source, tmp_path)
    assert said.startswith("Success"), said
