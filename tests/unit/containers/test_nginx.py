"""nginx' configuration as text: its limits are the server's."""

from __future__ import annotations

import json
import re

from alexnet_server.listening import MAX_HEADER_BYTES, waitress_limit
from alexnet_server.settings import Limits, Settings
from tests.unit.containers.written import NGINX


def directive(name: str) -> str:
    (value,) = re.findall(rf"^\s*{name} +([^;]+);", NGINX, re.MULTILINE)
    return value


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
