"""What containers are made from, read: Dockerfile, compose files, nginx' configuration."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import yaml

from alexnet_server import variables
from alexnet_server.settings import MIB, Settings

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CPU: dict[str, Any] = yaml.safe_load((ROOT / "compose.cpu.yaml").read_text())["services"]["server"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NGINX = (ROOT / "deploy" / "nginx" / "alexnet.conf").read_text()
GIB = 1024 * MIB


def bases() -> dict[str, str]:
    """What each stage of the Dockerfile begins from, in their order."""
    return {
        stage: base
        for base, stage in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    }


def instructions(stage: str) -> list[tuple[str, str]]:
    """Name and arguments of each instruction of a stage, after those of the stages below it."""
    lines = re.sub(r"\\\n\s*", " ", DOCKERFILE).splitlines()
    below = bases()[stage]
    found = instructions(below) if below in bases() else []
    is_there = False
    for line in lines:
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            is_there = arguments.endswith(f" AS {stage}")
        elif is_there and name.isupper():
            found.append((name, arguments))
    return found


def tritons_command() -> list[str]:
    """Program and flags, as the image and compose.yaml give them together."""
    entry = json.loads(dict(instructions("triton"))["ENTRYPOINT"])
    assert entry[0] == "/opt/nvidia/nvidia_entrypoint.sh"  # NVIDIA's own, which ends in exec
    return [*entry[1:], *SERVICES["triton"]["command"]]


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
