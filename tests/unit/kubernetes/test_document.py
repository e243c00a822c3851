"""docs/kubernetes.md: its secrets, its commands and its overlay are those of the files."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import yaml

from alexnet_export import cli
from tests.unit.kubernetes.rendered import (
    KUBERNETES,
    OVERLAYS,
    ROOT,
    containers,
    rendered,
    secrets,
)

TEXT = (ROOT / "docs" / "kubernetes.md").read_text()


def commands(program: str) -> list[list[str]]:
    """Arguments of every command line of ``program`` in the document."""
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [line[1:] for line in lines if line[0] == program]


def test_every_secret_that_a_pod_reads_is_made() -> None:
    made: dict[str, set[str]] = {}
    for words in commands("kubectl"):
        if words[2:4] == ["create", "secret"]:
            kind, name, *options = words[4:]
            keys = {one.partition("=")[2].partition("=")[0] for one in options}
            made[name] = {"tls.crt", "tls.key"} if kind == "tls" else keys
    read = {
        (name, key)
        for overlay in OVERLAYS
        for deployment in rendered(overlay).kind("Deployment")
        for name, key in secrets(rendered(overlay).pod(deployment))
    }
    assert {name for name, _ in read} == set(made)
    for name, key in read:
        assert key is None or key in made[name]
    assert made["keys"] == {"keys"}  # the name of the file that ALEXNET_KEYS leads to


def test_the_store_is_the_one_that_the_pods_ask() -> None:
    variables = re.findall(r"^RCLONE_CONFIG_([A-Z]+)_[A-Z_]+=", TEXT, re.MULTILINE)
    assert len(variables) == 5
    for overlay in OVERLAYS:
        repository = rendered(overlay).kind("ConfigMap")["deploy"]["data"]["REPOSITORY"]
        assert {repository.partition(":")[0]} == {name.lower() for name in variables}


def test_the_overlay_names_every_image_by_digest(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (resource,) = yaml.safe_load(text)["resources"]
    for overlay in OVERLAYS:
        folder = tmp_path / overlay
        folder.mkdir(parents=True)
        there = os.path.relpath(KUBERNETES / overlay, folder.resolve())
        (folder / "kustomization.yaml").write_text(text.replace(resource, there))
        made = rendered(folder)
        for deployment in made.kind("Deployment"):
            for container in containers(made.pod(deployment)):
                assert re.fullmatch(
                    r"(?!registry\.invalid)[\w./-]+@sha256:\.\.\.", container["image"]
                )
        assert made.kind("Service")["server"]["spec"]["type"] == "LoadBalancer"
        assert made.kind("ConfigMap")["server"]["data"]["ALEXNET_INDEX"].startswith("milvuss://")
        assert made.kind("ConfigMap")["server"]["data"]["ALEXNET_HOST"] == "127.0.0.1"


def test_the_folders_and_commands_are_there() -> None:
    resource = re.search(r"\.\./alexnet-server/(deploy/kubernetes/\S+)", TEXT)[1]
    assert ROOT / resource == KUBERNETES / "overlays" / "two-gpus"
    for arguments in commands("alexnet-export"):
        cli._parser().parse_args(arguments)
    applied = [words[2] for words in commands("kubectl") if words[:2] == ["apply", "-k"]]
    assert applied == ["my-cluster", "deploy/kubernetes/milvus"]
    assert (ROOT / applied[1] / "kustomization.yaml").exists()
    (synced,) = commands("rclone")
    (fetched,) = (
        one["args"]
        for one in containers(rendered(OVERLAYS[0]).pod("server"))
        if one["name"] == "fetch"
    )
    assert synced[:2] == fetched[:2]
