"""The settings that say who may ask: as flags and as variables."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from alexnet_server.errors import SettingsError
from alexnet_server.settings import Settings
from alexnet_server.variables import add_flags, parse


def parsed(*flags: str, **environment: str) -> Settings:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    return parse(parser.parse_args(flags), environment)


def test_a_file_of_keys_is_named_by_flag_or_variable() -> None:
    assert parsed().keys is None
    assert parsed("--keys", "/run/keys").keys == Path("/run/keys")
    assert parsed(ALEXNET_KEYS="keys").keys == Path("keys")
    assert parsed("--keys", "a", ALEXNET_KEYS="b").keys == Path("a")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1", True), ("true", True), ("True", True), ("0", False), ("FALSE", False)],
)
def test_insecure_is_a_flag_or_a_truth(text: str, wanted: bool) -> None:
    assert parsed().insecure is False
    assert parsed("--insecure").insecure is True
    assert parsed(ALEXNET_INSECURE=text).insecure is wanted
    assert parsed("--insecure", ALEXNET_INSECURE=text).insecure is True


@pytest.mark.parametrize("text", ["", "no", "2", "on", "truee", " "])
def test_a_truth_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="insecure must be true or false"):
        parsed(ALEXNET_INSECURE=text)


def test_insecure_takes_no_value() -> None:
    with pytest.raises(SystemExit):
        parsed("--insecure=false")


def test_a_trusted_proxy_is_one_address() -> None:
    assert parsed().trusted_proxy is None
    assert parsed("--trusted-proxy", "10.0.0.2").trusted_proxy == "10.0.0.2"
    assert parsed(ALEXNET_TRUSTED_PROXY="fd00::2").trusted_proxy == "fd00::2"
    for text in ("*", "", "nginx", "10.0.0.0/8", "10.0.0.2:80", "10.0.0.2,10.0.0.3"):
        with pytest.raises(SettingsError, match="trusted_proxy must be the IP address of one"):
            parsed(ALEXNET_TRUSTED_PROXY=text)


def test_the_clients_key_is_no_unknown_variable() -> None:
    assert parsed(ALEXNET_KEY="secret") == Settings()


def test_no_key_is_ever_a_flag_or_shown() -> None:
    with pytest.raises(SystemExit):
        parsed("--key", "secret")
    with pytest.raises(SettingsError) as caught:
        parsed(ALEXNET_KEYZ="secret")
    assert "secret" not in str(caught.value)
