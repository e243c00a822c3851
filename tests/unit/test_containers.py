"""Dockerfile, compose.yaml and nginx' configuration as text: what keeps them apart and bounded."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from alexnet_server import variables
from alexnet_server.listening import MAX_HEADER_BYTES, waitress_limit
from alexnet_server.settings import MIB, Limits, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NGINX = (ROOT / "deploy" / "nginx" / "alexnet.conf").read_text()
GIB = 1024 * MIB


def instructions(stage: str) -> list[tuple[str, str]]:
    """Name and arguments of each instruction of a stage of the Dockerfile."""
    lines = re.sub(r"\\\n\s*", " ", DOCKERFILE).splitlines()
    found, is_there = [], False
    for line in lines:
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            is_there = arguments.endswith(f" AS {stage}")
        elif is_there and name.isupper():
            found.append((name, arguments))
    return found


def directive(name: str) -> str:
    (value,) = re.findall(rf"^\s*{name} +([^;]+);", NGINX, re.MULTILINE)
    return value


def size(text: str) -> int:
    units = {"m": MIB, "g": GIB}
    return int(text[:-1]) * units[text[-1]]


def tmpfs_bytes(service: dict[str, Any]) -> int:
    (mount,) = service["tmpfs"]
    return size(re.search(r"size=(\d+[mg])", mount)[1])


def parsed(arguments: list[str], environment: dict[str, str]) -> Settings:
    parser = argparse.ArgumentParser()
    variables.add_flags(parser)
    return variables.parse(parser.parse_args(arguments), environment)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert size(service["mem_limit"]) > tmpfs_bytes(service)
    assert 0 < service["pids_limit"] <= 1024
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(service)


def test_only_nginx_can_be_reached() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    networks = COMPOSE["networks"]
    assert networks["inside"]["internal"] is networks["backend"]["internal"] is True
    assert set(SERVICES["nginx"]["networks"]) == {"outside", "inside"}
    assert set(SERVICES["server"]["networks"]) == {"inside", "backend"}
    assert set(SERVICES["triton"]["networks"]) == {"backend"}


def test_images_are_named_by_whoever_pins_them() -> None:
    for name in ("nginx", "triton"):
        assert re.fullmatch(r"\$\{[A-Z_]+:\?name it by digest\}", SERVICES[name]["image"])
    assert SERVICES["server"]["build"]["target"] == "server"


def test_tritons_flags() -> None:
    service = SERVICES["triton"]
    program, *flags = service["command"]
    assert program == "tritonserver"
    assert {
        "--model-repository=/serving/model_repository",
        "--model-control-mode=none",
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        "--exit-on-error=true",
        "--allow-metrics=false",
    } <= set(flags)
    (closed,) = [flag for flag in flags if flag.startswith("--grpc-restricted-protocol=")]
    names, key = closed.partition("=")[2].split(":", 1)
    assert {"model-repository", "model-config", "shared-memory", "trace", "logging"} <= set(
        names.split(",")
    )
    assert key.startswith("closed=${TRITON_CLOSED:?")  # no value stands in the file
    assert not {"inference", "health"} & set(names.split(","))
    (gpus,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (gpus["driver"], gpus["count"]) == ("nvidia", 2)
    assert service["user"] not in ("0", "root", "0:0")


def test_triton_is_started_as_its_document_says() -> None:
    text = (ROOT / "docs" / "triton.md").read_text()
    (line,) = re.findall(r"^docker run .*tritonserver .*$", text, re.MULTILINE)
    words = shlex.split(line)
    documented = set(words[words.index("tritonserver") + 1 :])
    # There, versions are exchanged under a Triton that runs; here it is started anew.
    documented -= {"--model-control-mode=explicit", "--load-model=*"}
    assert documented <= set(SERVICES["triton"]["command"])


def test_the_repository_is_mounted_to_be_read() -> None:
    for name in ("server", "triton"):
        (mount,) = [one for one in SERVICES[name]["volumes"] if "SERVING" in one]
        assert mount.endswith(":/serving:ro")
    written = [one for one in SERVICES["server"]["volumes"] if not one.endswith(":ro")]
    assert written == ["index:/var/lib/alexnet"]


def test_the_server_starts_with_what_is_set() -> None:
    entry, command = (
        json.loads(dict(instructions("server"))[one]) for one in ("ENTRYPOINT", "CMD")
    )
    assert entry == ["alexnet-server"] and command[0] == "serve"
    now = parsed(command[1:], SERVICES["server"]["environment"])
    assert (now.host, now.port, now.triton) == ("0.0.0.0", 8080, "triton:8001")
    assert now.keys == Path("/run/secrets/keys") and not now.insecure
    assert now.trusted_proxy == SERVICES["nginx"]["networks"]["inside"]["ipv4_address"]
    assert now.metrics_host == "127.0.0.1"  # and not for nginx
    assert now.index_path == Path("/var/lib/alexnet/index.sqlite")
    assert now.repository == Path("/serving/model_repository")
    assert now.drain_s == Settings().drain_s


def test_docker_waits_longer_than_the_server_drains() -> None:
    for service in SERVICES.values():
        assert int(service["stop_grace_period"].removesuffix("s")) > Settings().drain_s
    assert ("STOPSIGNAL", "SIGTERM") in instructions("server")


def test_there_is_room_for_the_bodies_that_can_be_on_their_way() -> None:
    most = int(re.search(r"server server:8080 max_conns=(\d+);", NGINX)[1])
    at_work = Settings().max_requests
    assert tmpfs_bytes(SERVICES["server"]) == (most + at_work) * Limits().max_request_bytes
    assert (
        size(SERVICES["server"]["mem_limit"]) >= tmpfs_bytes(SERVICES["server"]) + 4 * GIB
    )  # operations.md, memory
    assert most <= Settings().threads
    assert SERVICES["server"]["pids_limit"] >= 2 * Settings().threads


def test_the_image_has_no_root_and_no_torch() -> None:
    server = instructions("server")
    (user,) = [arguments for name, arguments in server if name == "USER"]
    assert int(user) > 0
    (check,) = [arguments for name, arguments in server if name == "HEALTHCHECK"]
    assert "http://127.0.0.1:8080/livez" in check
    (installed,) = [
        arguments for name, arguments in instructions("build") if "pip install" in arguments
    ]
    assert '--constraint constraints.txt "./server[${EXTRA}]"' in installed
    copied = [arguments for name, arguments in instructions("build") if name == "COPY"]
    assert copied == ["constraints.txt ./", "server ./server"]
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in ignored and {"!server", "!constraints.txt"} <= set(ignored)
    assert "torch" not in (ROOT / "server" / "pyproject.toml").read_text()


def test_nginx_has_the_servers_limits() -> None:
    assert int(directive("client_max_body_size")) == waitress_limit(Limits())
    assert directive("large_client_header_buffers") == f"4 {MAX_HEADER_BYTES // 1024}k"
    assert int(directive("proxy_read_timeout").removesuffix("s")) > Settings().request_timeout_s
    assert directive("proxy_request_buffering") == "on"
    assert directive("proxy_http_version") == "1.1"
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in NGINX
    assert "proxy_set_header X-Request-Id $named;" in NGINX
    assert "location = /metrics { return 404 " in NGINX
    for name in ("client_header_timeout", "client_body_timeout", "send_timeout"):
        assert 1 <= int(directive(name).removesuffix("s")) <= 30
    for text in re.findall(r"return \d+ '(.*)';", NGINX):
        problem = json.loads(text.replace("\\n", ""))
        assert problem["code"] in ("not_found", "request_too_large", "overloaded")


def test_every_setting_named_here_is_one() -> None:
    known = {f"ALEXNET_{one.name.upper()}" for one in dataclasses.fields(Settings)}
    assert set(SERVICES["server"]["environment"]) <= known
