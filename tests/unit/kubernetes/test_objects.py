"""Each overlay as kubectl renders it: schema, references, and how its pods are confined."""

from __future__ import annotations

from collections.abc import Iterator

import kubernetes_validate
import pytest

from tests.unit.kubernetes.rendered import (
    APPLIED,
    OVERLAYS,
    Object,
    Rendered,
    containers,
    ports,
    rendered,
)

# The oldest that has all that is used (a wait before SIGTERM; a sidecar outlives its server since
# 1.29), and the newest whose schemas are at hand.
VERSIONS = ("1.30", "1.37")
NOT_ROOT = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def pods(made: Rendered) -> list[Object]:
    return [made.pod(name) for name in made.kind("Deployment")]


def labels_of_selectors(made: Rendered) -> Iterator[tuple[str, dict[str, str]]]:
    """Where labels choose pods of the same render, and the labels."""
    for one in made.objects:
        spec, name = one.get("spec", {}), f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] == "Service":
            yield name, spec["selector"]
        if one["kind"] in ("Deployment", "PodDisruptionBudget"):
            yield name, spec["selector"]["matchLabels"]
        if one["kind"] == "NetworkPolicy":
            peers = [
                peer
                for rule in (*spec.get("ingress", []), *spec.get("egress", []))
                for peer in (*rule.get("from", []), *rule.get("to", []))
                if "namespaceSelector" not in peer and "podSelector" in peer
            ]
            for selector in (spec["podSelector"], *(peer["podSelector"] for peer in peers)):
                yield name, selector.get("matchLabels", {})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", APPLIED)
def test_each_object_is_what_kubernetes_takes(folder: str, version: str) -> None:
    made = rendered(folder)
    assert made.objects
    for one in made.objects:
        kubernetes_validate.validate(one, version, strict=True)


@each_overlay
def test_every_selector_chooses_a_pod(overlay: str) -> None:
    made = rendered(overlay)
    for name, labels in labels_of_selectors(made):
        assert made.selected(labels), name
    for name, one in made.kind("HorizontalPodAutoscaler").items():
        target = one["spec"]["scaleTargetRef"]
        assert made.kind(target["kind"])[target["name"]], name


@each_overlay
def test_every_port_is_one_of_the_pods_behind_it(overlay: str) -> None:
    made = rendered(overlay)
    for service in made.kind("Service").values():
        (pod,) = made.selected(service["spec"]["selector"])
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports(pod))
    for policy in made.kind("NetworkPolicy").values():
        for rule in policy["spec"].get("ingress", []):
            (pod,) = made.selected(policy["spec"]["podSelector"]["matchLabels"])
            there = ports(pod)
            assert all(port["port"] in {*there, *there.values()} for port in rule["ports"])
    for pod in pods(made):
        for container in containers(pod):
            own = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                for kind in ("httpGet", "tcpSocket"):
                    if asked := container.get(probe, {}).get(kind):
                        assert asked["port"] in own, container["name"]


@each_overlay
def test_what_pods_refer_to_is_there(overlay: str) -> None:
    made = rendered(overlay)
    maps = {one["metadata"]["name"] for one in made.kind("ConfigMap").values()}
    for pod in pods(made):
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert claim in made.kind("PersistentVolumeClaim")
        mounts = [mount for container in containers(pod) for mount in container["volumeMounts"]]
        assert {mount["name"] for mount in mounts} == set(volumes)
        for container in containers(pod):
            for source in container.get("envFrom", []):
                assert source.get("configMapRef", {"name": next(iter(maps))})["name"] in maps


@each_overlay
def test_everything_lies_in_one_namespace(overlay: str) -> None:
    made = rendered(overlay)
    (namespace,) = made.kind("Namespace")
    for one in made.objects:
        if one["kind"] != "Namespace":
            assert one["metadata"]["namespace"] == namespace, one["metadata"]["name"]


@each_overlay
def test_pods_are_confined(overlay: str) -> None:
    """The rules of Kubernetes' pod security standard "restricted", and a root that is read-only."""
    made = rendered(overlay)
    (namespace,) = made.kind("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(made):
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for volume in pod["volumes"]:
            (kind,) = set(volume) - {"name"}
            assert kind in ("configMap", "secret", "emptyDir", "persistentVolumeClaim")
            assert kind != "emptyDir" or "sizeLimit" in volume[kind]
        for container in containers(pod):
            context = container["securityContext"]
            assert context.items() >= NOT_ROOT.items(), container["name"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context.get("runAsUser", 1) > 0
            assert not {"privileged", "runAsNonRoot", "seccompProfile"} & set(context)
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


@each_overlay
def test_nothing_is_let_in_or_out_that_is_not_named(overlay: str) -> None:
    policies = rendered(overlay).kind("NetworkPolicy")
    assert policies["nothing-else"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    open_to_all = [
        (name, port["port"])
        for name, policy in policies.items()
        for rule in policy["spec"].get("ingress", [])
        if "from" not in rule
        for port in rule["ports"]
    ]
    assert open_to_all == [("server", "https")]
    for name, policy in policies.items():
        for rule in policy["spec"].get("egress", []):
            assert rule["to"] and rule["ports"], name
            for peer in rule["to"]:
                assert "ipBlock" not in peer or peer["ipBlock"]["except"], name


@each_overlay
def test_images_are_named_by_whoever_pins_them(overlay: str) -> None:
    # .invalid is a name that nobody can have (RFC 2606): what is not named is not pulled.
    for pod in pods(rendered(overlay)):
        for container in containers(pod):
            assert container["image"].startswith("registry.invalid/")
