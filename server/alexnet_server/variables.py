"""A flag and a variable for every setting: the flag first, else ``ALEXNET_*``, else the default."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from alexnet_server.errors import SettingsError
from alexnet_server.settings import MILVUS_TOKEN, Settings, require_valid

_PREFIX = "ALEXNET_"
# Read by the client, which may run in the same environment.
_OF_THE_CLIENT = {"ALEXNET_SERVER", "ALEXNET_KEY"}
_TRUTH = {"1": True, "true": True, "0": False, "false": False}


def add_flags(parser: argparse.ArgumentParser, names: Collection[str] | None = None) -> None:
    """Give ``parser`` a flag for every setting, or for those of ``names``."""
    for setting in _settable():
        if names is not None and setting.name not in names:
            continue
        default = "none" if setting.default is None or setting.default is False else setting.default
        given: dict[str, Any] = {"metavar": setting.name.upper()}
        if _kind(setting) is bool:
            given = {"action": "store_const", "const": "true"}
        parser.add_argument(
            f"--{setting.name.replace('_', '-')}",
            help=f"{setting.metadata['help']}; ${_variable(setting)}, else {default}",
            **given,
        )


def parse(flags: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Settings from parsed flags and an environment.

    Raises SettingsError on an unknown ``ALEXNET_*`` variable or an ill-typed value.
    """
    known = {_variable(setting): setting for setting in _settable()}
    unknown = sorted(
        name
        for name in environment
        if name.startswith(_PREFIX) and name not in {*known, *_OF_THE_CLIENT, MILVUS_TOKEN}
    )
    if unknown:
        raise SettingsError(f"unknown variable {unknown[0]}; known are {', '.join(sorted(known))}")
    chosen: dict[str, Any] = {}
    for variable, setting in known.items():
        given = getattr(flags, setting.name, None)
        text = environment.get(variable) if given is None else given
        if text is not None:
            chosen[setting.name] = _typed(setting.name, _kind(setting), text)
    settings = Settings(**chosen)
    require_valid(settings)
    return settings


def _settable() -> list[Any]:
    return [setting for setting in fields(Settings) if "help" in setting.metadata]


def _variable(setting: Any) -> str:  # noqa: ANN401 (dataclasses.Field is generic in its value)
    return f"{_PREFIX}{setting.name.upper()}"


def _kind(setting: Any) -> type[Any]:  # noqa: ANN401
    kind: type[Any] = setting.metadata.get("kind", type(setting.default))
    return kind


def _typed(name: str, kind: type[Any], text: str) -> Any:  # noqa: ANN401
    if kind is bool:
        if text.lower() not in _TRUTH:
            raise SettingsError(f"{name} must be true or false, not {text!r}")
        return _TRUTH[text.lower()]
    try:
        return kind(text)
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{name} must be {wanted}, not {text!r}") from error
