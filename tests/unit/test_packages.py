"""The wheels of the four distributions: whole, alone, with types, readme and licence."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("server", "export", "client", "training")
DECLARED: dict[str, dict[str, Any]] = {
    folder: tomllib.loads((ROOT / folder / "pyproject.toml").read_text()) for folder in FOLDERS
}
BUILDING = """
import sys
from setuptools import build_meta
print(build_meta.build_wheel(sys.argv[1]))
"""
# Without `site` the packages of this environment are there, and what it has installed to be edited
# is not: of ours, only the wheels.
STARTING = """
import importlib, sys
*folders, module, function = sys.argv[1:]
sys.path += folders
sys.argv = [module, "--help"]
getattr(importlib.import_module(module), function)()
"""


def sources(folder: str) -> set[str]:
    """Every file of a distribution's import packages, as a wheel names it."""
    packages = DECLARED[folder]["tool"]["setuptools"]["packages"]
    files = (
        path
        for package in packages
        if "." not in package
        for path in (ROOT / folder / package).rglob("*")
        if path.is_file()
    )
    names = (path for path in files if not {"__pycache__", ".mypy_cache"} & set(path.parts))
    return {path.relative_to(ROOT / folder).as_posix() for path in names}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel a distribution, built from a copy: setuptools leaves files where it builds."""
    made, running = tmp_path_factory.mktemp("wheels"), {}
    for folder in FOLDERS:
        copy = tmp_path_factory.mktemp(folder) / folder
        left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(ROOT / folder, copy, ignore=left_out)
        running[folder] = subprocess.Popen(
            [sys.executable, "-c", BUILDING, made],
            cwd=copy,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    said = {folder: process.communicate()[0] for folder, process in running.items()}
    for folder, process in running.items():
        assert process.returncode == 0, said[folder]
    return {folder: made / text.splitlines()[-1] for folder, text in said.items()}


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(opened.read(name))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_wheel_has_every_file_and_no_name_but_ours(wheels: dict[str, Path], folder: str) -> None:
    held = {name for name in names(wheels[folder]) if ".dist-info/" not in name}
    assert held == sources(folder)
    packages = {name.split("/")[0] for name in held}
    assert all(name.startswith("alexnet_") for name in packages)
    assert {f"{package}/py.typed" for package in packages} <= held


def test_no_file_is_in_two_wheels(wheels: dict[str, Path]) -> None:
    held = [name for wheel in wheels.values() for name in names(wheel)]
    assert len(held) == len(set(held))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_wheel_has_readme_and_licence(wheels: dict[str, Path], folder: str) -> None:
    told = metadata(wheels[folder])
    assert told["License-Expression"] == "Apache-2.0"
    (licence,) = [name for name in names(wheels[folder]) if name.endswith("/licenses/LICENSE")]
    with zipfile.ZipFile(wheels[folder]) as opened:
        assert opened.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert told["Description-Content-Type"] == "text/markdown"
    assert told.get_payload() == (ROOT / folder / "README.md").read_text()
    assert told["Requires-Python"] == "<3.14,>=3.11"
    assert wheels[folder].name.endswith("-py3-none-any.whl")


def test_all_have_one_version() -> None:
    """The newest of CHANGELOG.md; at run time it is read from what is installed."""
    (newest, *_) = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert {one["project"]["version"] for one in DECLARED.values()} == {newest}
    for folder in FOLDERS:
        for path in (ROOT / folder).glob("alexnet_*/**/*.py"):
            assert f'"{newest}"' not in path.read_text(), path


def of_ours(folder: str) -> set[str]:
    """The folders of the distributions that one needs, itself too."""
    found = {folder}
    for needed in DECLARED[folder]["project"]["dependencies"]:
        if needed.startswith("alexnet-"):
            found |= of_ours(needed.removeprefix("alexnet-"))
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_command_starts_from_the_wheels_it_asks_for(
    wheels: dict[str, Path], folder: str, tmp_path: Path
) -> None:
    for one in of_ours(folder):
        with zipfile.ZipFile(wheels[one]) as opened:
            opened.extractall(tmp_path)
    installed = [path for path in sys.path if path.endswith("site-packages")]
    (target,) = DECLARED[folder]["project"]["scripts"].values()
    done = subprocess.run(
        [sys.executable, "-S", "-c", STARTING, tmp_path, *installed, *target.split(":")],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
