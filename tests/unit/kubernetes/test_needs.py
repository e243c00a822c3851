"""What the overlays give is what the server, its nginx and Triton need."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
import yaml

from alexnet_server import variables
from alexnet_server.settings import MIB, MILVUS_TOKEN, Limits, Settings
from tests.unit.containers.written import instructions, tritons_command
from tests.unit.kubernetes.rendered import (
    OVERLAYS,
    ROOT,
    Object,
    Rendered,
    ports,
    rendered,
    size,
)

PROMETHEUS = ROOT / "deploy" / "prometheus"
NGINX = (ROOT / "deploy" / "nginx" / "alexnet.conf").read_text()
GIB = 1024 * MIB

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def settings(made: Rendered) -> Settings:
    """What the server reads of its environment, and of nothing else."""
    container = made.container("server", "server")
    assert container["args"] == ["serve"] and "command" not in container
    environment = dict(made.kind("ConfigMap")["server"]["data"])
    for variable in container.get("env", []):
        environment[variable["name"]] = "of a secret"
    return variables.parse(argparse.Namespace(), environment)


def place(container: Object, volume: str) -> Path:
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == volume]
    return Path(mount["mountPath"])


def emptied_bytes(pod: Object, volume: str) -> int:
    (found,) = [one for one in pod["volumes"] if one["name"] == volume]
    return size(found["emptyDir"]["sizeLimit"])


def directive(name: str) -> str:
    (value,) = re.findall(rf"^\s*{name} +([^;]+);", NGINX, re.MULTILINE)
    return value


@each_overlay
def test_the_server_is_told_what_it_needs(overlay: str) -> None:
    made = rendered(overlay)
    now, server = settings(made), made.container("server", "server")
    assert now.repository == place(server, "serving") / "model_repository"
    assert now.keys == place(server, "keys") / "keys" and not now.insecure
    assert (now.host, now.trusted_proxy) == ("127.0.0.1", "127.0.0.1")  # its own nginx
    assert now.metrics_host == "0.0.0.0"
    assert ports(made.pod("server"))["metrics"] == now.operator_port
    assert now.decoders == 2


@each_overlay
def test_no_services_name_becomes_a_variable(overlay: str) -> None:
    made = rendered(overlay)
    for name in made.kind("Deployment"):
        assert made.pod(name)["enableServiceLinks"] is False


@each_overlay
def test_probes_ask_the_operators_port(overlay: str) -> None:
    server = rendered(overlay).container("server", "server")
    probes = [server[name]["httpGet"] for name in ("startupProbe", "livenessProbe")]
    assert probes == [{"path": "/livez", "port": "metrics"}] * 2
    assert server["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


@each_overlay
def test_a_pod_is_given_the_time_to_drain(overlay: str) -> None:
    made = rendered(overlay)
    pod, server = made.pod("server"), made.container("server", "server")
    waited_s = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    # Longer than the readiness takes to be noticed, or callers are sent to one who stops.
    probe = server["readinessProbe"]
    assert waited_s > probe["periodSeconds"] * probe["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] >= waited_s + settings(made).drain_s + 5
    # A sidecar ends after the server does; an ordinary container would be stopped at once.
    nginx = made.container("server", "nginx")
    assert nginx in pod["initContainers"] and nginx["restartPolicy"] == "Always"


@each_overlay
def test_nginx_finds_what_its_configuration_names(overlay: str) -> None:
    made = rendered(overlay)
    pod, nginx = made.pod("server"), made.container("server", "nginx")
    assert made.kind("ConfigMap")["nginx"]["data"]["alexnet.conf"] == NGINX
    assert f"{place(nginx, 'nginx')}/alexnet.conf" in nginx["command"]
    (upstream, port) = re.search(r"server (\w+):(\d+) max_conns", NGINX).groups()
    assert pod["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": [upstream]}]
    assert int(port) == settings(made).port
    assert directive("listen") == f"{ports(pod)['https']} ssl"
    (secret,) = [one["secret"] for one in pod["volumes"] if one["name"] == "certificate"]
    files = {
        item["key"]: f"{place(nginx, 'certificate')}/{item['path']}" for item in secret["items"]
    }
    assert files == {
        "tls.crt": directive("ssl_certificate"),
        "tls.key": directive("ssl_certificate_key"),
    }
    assert Path(directive("client_body_temp_path")).parent == place(nginx, "bodies")
    assert Path(directive("pid")).parent == place(nginx, "nginx-tmp")


@each_overlay
def test_there_is_room_for_the_bodies_that_can_be_on_their_way(overlay: str) -> None:
    made = rendered(overlay)
    pod, body = made.pod("server"), Limits().max_request_bytes
    to_the_server = int(re.search(r"max_conns=(\d+);", NGINX)[1])
    to_nginx = int(re.search(r"limit_conn all (\d+);", NGINX)[1])
    assert emptied_bytes(pod, "tmp") > (to_the_server + settings(made).max_requests) * body
    assert emptied_bytes(pod, "bodies") > to_nginx * body


def test_one_server_keeps_its_pictures() -> None:
    made = rendered("overlays/single")
    spec = made.kind("Deployment")["server"]["spec"]
    assert spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"}
    assert not made.kind("HorizontalPodAutoscaler") and not made.kind("PodDisruptionBudget")
    (claim,) = made.kind("PersistentVolumeClaim").values()
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    now, server = settings(made), made.container("server", "server")
    assert now.triton is None
    assert now.index_path.parent == place(server, "index")
    # docs/operations.md: idle, the largest pass, two decoders, bodies and connections.
    assert size(server["resources"]["limits"]["memory"]) >= 4 * GIB


def test_many_servers_keep_nothing() -> None:
    made = rendered("overlays/two-gpus")
    spec = made.kind("Deployment")["server"]["spec"]
    assert "replicas" not in spec  # or each apply would undo the autoscaler
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    scaling = made.kind("HorizontalPodAutoscaler")["server"]["spec"]
    assert 2 <= scaling["minReplicas"] < scaling["maxReplicas"]
    (metric,) = scaling["metrics"]
    assert "cpu" in made.container("server", "server")["resources"]["requests"]
    assert metric["containerResource"]["container"] == "server"
    assert set(made.kind("PodDisruptionBudget")) == {"server", "triton"}
    assert not made.kind("PersistentVolumeClaim")
    now = settings(made)
    assert now.index_path is None and now.originals is None
    names = {one["name"] for one in made.container("server", "server")["env"]}
    assert names == {MILVUS_TOKEN}


def test_the_servers_way_to_triton_and_milvus_is_open() -> None:
    made = rendered("overlays/two-gpus")
    now = settings(made)
    name, port = now.triton.split(":")
    (service,) = made.kind("Service")[name]["spec"]["ports"]
    assert service["port"] == int(port) == ports(made.pod("triton"))["grpc"]
    to_triton, to_milvus = made.kind("NetworkPolicy")["server-to-backends"]["spec"]["egress"]
    assert to_triton["ports"] == [{"protocol": "TCP", "port": int(port)}]
    namespace, milvus_port = re.match(r"milvus://\w+\.(\w+):(\d+)/", now.index).groups()
    (there,) = rendered("milvus").objects
    assert there["metadata"]["namespace"] == namespace
    _, (of_ours) = there["spec"]["ingress"]
    assert of_ours["ports"] == to_milvus["ports"] == [{"protocol": "TCP", "port": int(milvus_port)}]
    (peer,) = to_milvus["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    assert peer["podSelector"] == there["spec"]["podSelector"]
    (peer,) = of_ours["from"]
    assert made.selected(peer["podSelector"]["matchLabels"]) == [made.pod("server")]
    assert list(peer["namespaceSelector"]["matchLabels"].values()) == list(made.kind("Namespace"))


def test_triton_is_started_as_compose_starts_it() -> None:
    made = rendered("overlays/two-gpus")
    triton, pod = made.container("triton", "triton"), made.pod("triton")
    image = dict(instructions("triton"))
    composed = {re.sub(r"\$\{TRITON_CLOSED:[^}]*\}", "$(CLOSED)", one) for one in tritons_command()}
    own = "--exit-timeout-secs="
    (exit_timeout,) = [one for one in triton["command"] if one.startswith(own)]
    assert set(triton["command"]) == composed | {exit_timeout}
    assert image["USER"] == "{runAsUser}:{runAsGroup}".format(**pod["securityContext"])
    assert triton["resources"]["limits"]["nvidia.com/gpu"] == 2
    asked = triton["readinessProbe"]["exec"]["command"][-1]
    assert f'"{asked}"' in image["HEALTHCHECK"]
    assert triton["startupProbe"]["exec"] == triton["readinessProbe"]["exec"]
    waited_s = triton["lifecycle"]["preStop"]["sleep"]["seconds"]
    drained_s = int(exit_timeout.removeprefix(own))
    assert pod["terminationGracePeriodSeconds"] >= waited_s + drained_s + 5


def test_both_fetch_the_same_repository() -> None:
    made = rendered("overlays/two-gpus")
    server, triton = (made.container(name, "fetch") for name in ("server", "triton"))
    assert server == triton
    assert server["args"][-1] == str(place(server, "serving") / "model_repository")
    assert made.kind("ConfigMap")["deploy"]["data"].keys() == {"REPOSITORY"}


@each_overlay
def test_prometheus_finds_the_servers(overlay: str) -> None:
    made = rendered(overlay)
    config = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text())
    beside = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (job,), (other,) = config["scrape_configs"], beside["scrape_configs"]
    assert job["job_name"] == other["job_name"]  # the alarms select it
    assert config["rule_files"] == beside["rule_files"]
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery == {"role": "pod", "namespaces": {"names": list(made.kind("Namespace"))}}
    kept = {
        rule["regex"]: rule["source_labels"]
        for rule in job["relabel_configs"]
        if rule.get("action") == "keep"
    }
    assert kept == {"metrics": ["__meta_kubernetes_pod_container_port_name"]}
    assert [name for name in made.kind("Deployment") if "metrics" in ports(made.pod(name))] == [
        "server"
    ]
