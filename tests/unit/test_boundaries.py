"""Who may import whom, and that importing does nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = {
    path.name: path
    for path in ROOT.glob("*/alexnet_*")
    if path.is_dir() and not path.name.endswith(".egg-info")
}
MAY_IMPORT = {
    "alexnet_pixels": set(),
    "alexnet_repository": set(),
    "alexnet_server": {"alexnet_pixels", "alexnet_repository"},
    "alexnet_export": {"alexnet_pixels", "alexnet_repository"},
    "alexnet_training": {
        "alexnet_pixels",
        "alexnet_repository",
        "alexnet_export",
        "alexnet_client",  # what an evaluation is, and its page
    },
    "alexnet_client": {"alexnet_pixels"},  # in the extra [triton] alone
}
NEVER = {
    "alexnet_pixels": {"torch", "onnx", "onnxruntime", "flask", "httpx"},
    "alexnet_repository": {"torch", "onnxruntime", "flask", "httpx"},
    "alexnet_server": {"torch", "safetensors", "sklearn", "httpx", "requests", "urllib"},
    "alexnet_export": {"torch", "flask"},
    "alexnet_training": {"flask", "onnxruntime", "httpx"},
    "alexnet_client": {"torch", "onnx", "onnxruntime", "flask"},
}


# The one that reads torchvision's file, in a function: without PyTorch only that is refused.
WITH_TORCH = "alexnet_export/importing/torchvision_file.py"


def imported(package: str, but: str = "") -> set[str]:
    """Top-level names of everything the package's files import, inside functions too."""
    found = set()
    for path in PACKAGES[package].rglob("*.py"):
        if but and path.as_posix().endswith(but):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports relatively"
                found.add((node.module or "").split(".")[0])
    return found


def test_the_packages_are_those_of_the_map() -> None:
    assert set(PACKAGES) == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_data_flows_one_way(package: str) -> None:
    ours = {name for name in imported(package) if name.startswith("alexnet_")}
    assert ours - {package} <= MAY_IMPORT[package]
    assert not imported(package, but=WITH_TORCH) & NEVER[package]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_importing_reads_no_environment_and_starts_no_thread(package: str) -> None:
    modules = [
        ".".join(path.relative_to(PACKAGES[package].parent).with_suffix("").parts)
        for path in PACKAGES[package].rglob("*.py")
        if path.name != "__init__.py"
    ]
    script = (
        "import importlib, os, sys, threading\n"
        "for name in sys.argv[2:]: importlib.import_module(name)\n"  # libraries do as they like
        "for name in [name for name in sys.modules if name.split('.')[0] == sys.argv[1]]:\n"
        "    del sys.modules[name]\n"
        "class Sealed(dict):\n"
        "    def __getitem__(self, key): raise AssertionError(f'importing read ${key}')\n"
        "    get = __getitem__\n"
        "os.environ = Sealed()\n"
        "before = threading.active_count()\n"
        "for name in sys.argv[2:]: importlib.import_module(name)\n"
        "assert threading.active_count() == before\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, package, *modules],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def needed(distribution: str, extra: str | None = None) -> set[str]:
    """Every distribution that installing this one brings along."""
    found: set[str] = set()
    waiting = [(distribution, extra)]
    while waiting:
        name, extra = waiting.pop()
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            environment = {"extra": extra or ""}
            if requirement.marker and not requirement.marker.evaluate(environment):
                continue
            if requirement.name not in found:
                found.add(requirement.name)
                waiting += [(requirement.name, one) for one in (*requirement.extras, None)]
    return found


def test_serving_never_installs_torch() -> None:
    assert needed("alexnet-server") == {"numpy", "pillow", "simplejpeg", "cykooz-resizer"}
    serving = needed("alexnet-server", "serve")
    assert {"flask", "waitress", "openvino", "tritonclient"} <= serving
    assert not serving & {"torch", "onnxruntime", "scikit-learn", "safetensors", "httpx"}
    assert "torch" not in needed("alexnet-export", "prove")
    assert not {name for name in needed("alexnet-client") if name.startswith("alexnet")}


def test_no_pickle_and_no_unsafe_load() -> None:
    for package in PACKAGES.values():
        for path in package.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                called = f"{ast.unparse(node.func)}"
                keywords = {one.arg: ast.unparse(one.value) for one in node.keywords}
                if called == "torch.load":
                    assert keywords.get("weights_only") == "True", path
                if called in ("np.load", "numpy.load"):
                    assert keywords.get("allow_pickle") == "False", path
    names = set().union(*(imported(package) for package in PACKAGES))
    assert not names & {"pickle", "joblib", "dill", "marshal"}
