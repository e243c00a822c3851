"""compose.yaml and compose.cpu.yaml as data: by the schema, apart, confined and bounded."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from alexnet_server.settings import Limits, Settings
from tests.unit.containers.written import (
    COMPOSE,
    CPU,
    GIB,
    NGINX,
    ROOT,
    SERVICES,
    instructions,
    parsed,
    size,
    tmpfs_bytes,
    tritons_command,
)

SCHEMA = jsonschema.Draft202012Validator(get_builtin_schema("vendor.compose-spec"))
ALL = {**SERVICES, "alone": CPU}


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cpu.yaml"])
def test_composes_schema_finds_nothing(name: str) -> None:
    assert list(SCHEMA.iter_errors(yaml.safe_load((ROOT / name).read_text()))) == []


def test_composes_schema_would_find_a_misspelt_key() -> None:
    misspelt = copy.deepcopy(COMPOSE)
    misspelt["services"]["server"]["mem_limits"] = "8g"
    (error,) = SCHEMA.iter_errors(misspelt)
    assert "mem_limits" in error.message


@pytest.mark.parametrize("name", ALL)
def test_every_container_is_confined(name: str) -> None:
    service = ALL[name]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert size(service["mem_limit"]) > tmpfs_bytes(service)
    assert 0 < service["pids_limit"] <= 1024
    assert service["ulimits"]["nofile"] >= 2048  # operations.md
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(service)


def test_only_nginx_can_be_reached() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    networks = COMPOSE["networks"]
    assert networks["inside"]["internal"] is networks["backend"]["internal"] is True
    assert set(SERVICES["nginx"]["networks"]) == {"outside", "inside"}
    assert set(SERVICES["server"]["networks"]) == {"inside", "backend"}
    assert set(SERVICES["triton"]["networks"]) == {"backend"}


def test_images_are_named_by_whoever_pins_them() -> None:
    triton = SERVICES["triton"]["build"]["args"]["TRITON_IMAGE"]
    for image in (SERVICES["nginx"]["image"], triton):
        assert re.fullmatch(r"\$\{[A-Z_]+:\?name it by digest\}", image)


def test_an_image_has_a_name_for_each_way_it_is_built() -> None:
    built = [
        (service["image"], json.dumps(service["build"], sort_keys=True))
        for service in ALL.values()
        if "build" in service
    ]
    assert len({image for image, _ in built}) == len({how for _, how in built}) == len(built) == 3
    assert int(SERVICES["nginx"]["user"].split(":")[0]) > 0
    assert not {"user", "entrypoint"} & (set(SERVICES["server"]) | set(SERVICES["triton"]))


def test_tritons_flags() -> None:
    program, *flags = tritons_command()
    assert program == "tritonserver"
    assert {
        "--model-repository=/serving/model_repository",
        "--model-control-mode=none",
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        "--exit-on-error=true",
        "--http-address=127.0.0.1",
        "--allow-metrics=false",
    } <= set(flags)
    assert len({flag.partition("=")[0] for flag in flags}) == len(flags)
    assert "http://127.0.0.1:8000/v2/health/ready" in dict(instructions("triton"))["HEALTHCHECK"]
    (closed,) = [flag for flag in flags if flag.startswith("--grpc-restricted-protocol=")]
    names, key = closed.partition("=")[2].split(":", 1)
    assert {"model-repository", "model-config", "shared-memory", "trace", "logging"} <= set(
        names.split(",")
    )
    assert key.startswith("closed=${TRITON_CLOSED:?")  # no value stands in the file
    assert not {"inference", "health"} & set(names.split(","))
    (gpus,) = SERVICES["triton"]["deploy"]["resources"]["reservations"]["devices"]
    assert (gpus["driver"], gpus["count"]) == ("nvidia", 2)


def test_triton_is_started_as_its_document_says() -> None:
    text = (ROOT / "docs" / "triton.md").read_text()
    (line,) = re.findall(r"^docker run .*tritonserver .*$", text, re.MULTILINE)
    words = shlex.split(line)
    documented = set(words[words.index("tritonserver") + 1 :])
    # There, versions are exchanged under a Triton that runs; here it is started anew.
    documented -= {"--model-control-mode=explicit", "--load-model=*"}
    assert documented <= set(tritons_command())


def test_the_repository_is_mounted_to_be_read() -> None:
    for name in ("server", "triton", "alone"):
        (mount,) = [one for one in ALL[name]["volumes"] if "SERVING" in one]
        assert mount.endswith(":/serving:ro")
    for name in ("server", "alone"):
        written = [one for one in ALL[name]["volumes"] if not one.endswith(":ro")]
        assert written == ["index:/var/lib/alexnet"]


def started(service: dict[str, Any]) -> Settings:
    """The settings of a server that begins as its image and its service say."""
    entry, command = (
        json.loads(dict(instructions("server"))[one]) for one in ("ENTRYPOINT", "CMD")
    )
    assert entry == ["alexnet-server"] and command[0] == "serve"
    now = parsed(command[1:], service["environment"])
    assert (now.host, now.port) == ("0.0.0.0", 8080)
    assert now.keys == Path("/run/secrets/keys") and not now.insecure
    assert now.metrics_host == "127.0.0.1"  # and not for nginx
    assert now.index_path == Path("/var/lib/alexnet/index.sqlite")
    assert now.repository == Path("/serving/model_repository")
    assert now.drain_s == Settings().drain_s
    return now


def test_the_server_starts_with_what_is_set() -> None:
    now = started(SERVICES["server"])
    assert now.triton == "triton:8001"
    assert now.trusted_proxy == SERVICES["nginx"]["networks"]["inside"]["ipv4_address"]


def test_the_server_alone_runs_the_model_itself_for_this_machine() -> None:
    now = started(CPU)
    assert now.triton is None and now.trusted_proxy is None
    assert CPU["ports"] == [f"127.0.0.1:{now.port}:{now.port}"]
    assert "EXTRA" not in CPU["build"].get("args", {})  # the default has OpenVINO
    assert not re.search(r"TRITON|NGINX|CERTIFICATE", (ROOT / "compose.cpu.yaml").read_text())
    assert tmpfs_bytes(CPU) == 2 * now.max_requests * Limits().max_request_bytes
    # operations.md, memory: 4.5 GB with four cores, 0.5 GB more for a new model.
    assert size(CPU["mem_limit"]) >= tmpfs_bytes(CPU) + 5 * GIB


def test_docker_waits_longer_than_the_server_drains() -> None:
    for service in ALL.values():
        assert int(service["stop_grace_period"].removesuffix("s")) > Settings().drain_s


def test_there_is_room_for_the_bodies_that_can_be_on_their_way() -> None:
    most = int(re.search(r"server server:8080 max_conns=(\d+);", NGINX)[1])
    at_work = Settings().max_requests
    assert tmpfs_bytes(SERVICES["server"]) == (most + at_work) * Limits().max_request_bytes
    assert (
        size(SERVICES["server"]["mem_limit"]) >= tmpfs_bytes(SERVICES["server"]) + 4 * GIB
    )  # operations.md, memory
    assert most <= Settings().threads
    assert SERVICES["server"]["pids_limit"] >= 2 * Settings().threads


def test_every_setting_named_here_is_one() -> None:
    known = {f"ALEXNET_{one.name.upper()}" for one in dataclasses.fields(Settings)}
    assert set(SERVICES["server"]["environment"]) | set(CPU["environment"]) <= known
