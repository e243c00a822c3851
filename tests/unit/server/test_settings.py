from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from alexnet_server.errors import SettingsError
from alexnet_server.settings import Settings
from alexnet_server.variables import add_flags, parse


def parsed(*flags: str, **environment: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return parse(parser.parse_args(flags), environment)


def test_flag_then_variable_then_default() -> None:
    assert parsed() == Settings()
    assert parsed(ALEXNET_PORT="9000", PATH="/bin").port == 9000
    assert parsed("--port", "9001", ALEXNET_PORT="9000").port == 9001
    assert parsed("--repository", "x").repository == Path("x")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ALEXNET_PROT": "1"}, "unknown variable ALEXNET_PROT; known are .*ALEXNET_PORT"),
        ({"ALEXNET_PORT": "http"}, "port must be a whole number, not 'http'"),
        ({"ALEXNET_PORT": "65536"}, r"0\.\.65535"),
        ({"ALEXNET_METRICS_PORT": "65536"}, r"metrics_port must lie in 0\.\.65535, not 65536"),
        ({"ALEXNET_METRICS_PORT": "-1"}, r"metrics_port must lie in 0\.\.65535"),
        ({"ALEXNET_PORT": "65535"}, r"metrics_port must .*not 65536.* port \+ 1"),
        ({"ALEXNET_MAX_REQUESTS": "0"}, r"max_requests must lie in 1\.\.256"),
        ({"ALEXNET_ENGINE": "remote"}, r"local or triton://HOST:PORT"),
        ({"ALEXNET_ENGINE": "triton://unix:/run/socket"}, r"local or triton://HOST:PORT"),
        ({"ALEXNET_ENGINE": "triton://a:0"}, r"local or triton://HOST:PORT"),
        ({"ALEXNET_ENGINE": "triton://a:8001/x"}, r"local or triton://HOST:PORT"),
        ({"ALEXNET_REQUEST_TIMEOUT_S": "fast"}, "request_timeout_s must be a number, not 'fast'"),
        ({"ALEXNET_REQUEST_TIMEOUT_S": "0"}, "request_timeout_s must lie above 0"),
        ({"ALEXNET_REQUEST_TIMEOUT_S": "nan"}, "request_timeout_s must lie above 0"),
        ({"ALEXNET_INDEX": "milvus://host"}, "sqlite:///PATH"),
    ],
)
def test_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parsed(**environment)


def test_engines() -> None:
    assert parsed().triton is None
    assert parsed("--engine", "triton://gpu-1.lan:8001").triton == "gpu-1.lan:8001"
    assert parsed(ALEXNET_ENGINE="triton://[::1]:8001").triton == "[::1]:8001"
    assert parsed("--request-timeout-s", "0.5").request_timeout_s == 0.5


def test_the_operators_port() -> None:
    assert (parsed().metrics_host, parsed().operator_port) == ("127.0.0.1", 8081)
    assert parsed("--metrics-port", "9100", "--metrics-host", "::1").operator_port == 9100
    assert parsed("--port", "65535", "--metrics-port", "0").operator_port == 0


def test_the_clients_variable_is_known() -> None:
    assert parsed(ALEXNET_SERVER="http://localhost") == Settings()


def test_index_paths() -> None:
    assert Settings(index="sqlite:///data/i.sqlite").index_path == Path("data/i.sqlite")
    assert Settings(index="sqlite:////var/i.sqlite").index_path == Path("/var/i.sqlite")
