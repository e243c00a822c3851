"""Who may ask for what: every endpoint, with and without keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask

from alexnet_repository.files import deployed
from alexnet_server.access import OPEN, READING, Access
from alexnet_server.app import create_app
from alexnet_server.deployed import open_deployed
from alexnet_server.errors import SettingsError
from alexnet_server.following import Following
from alexnet_server.index.opening import Indexes
from alexnet_server.keys import Keys
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.local_engine import local_engine
from tests.narrow_repository import deploy_narrow

READ, WRITE = (hashlib.sha256(name).hexdigest() for name in (b"read", b"write"))
WRITING = {
    ("POST", "/images"),
    ("PUT", "/images/<picture_id>"),
    ("DELETE", "/images/<picture_id>"),
    ("POST", "/images/delete"),
}
REFUSALS = ("key_missing", "forbidden", "foreign_host", "foreign_origin")


@pytest.fixture(scope="module")
def deploys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Following]:
    folder = tmp_path_factory.mktemp("access")
    root = deploy_narrow(folder)
    following = Following(
        partial(open_deployed, root, local_engine, Indexes(folder / "index.sqlite")),
        partial(deployed, root),
    )
    yield following
    following.close()


def app(deploys: Following, access: Access | None) -> Flask:
    return create_app(Served.of(Settings(), deploys, access))


@pytest.fixture(scope="module")
def keyed(deploys: Following, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(f"read {READ}\nwrite {WRITE}\n")
    return app(deploys, Access(Keys(path)))


@pytest.fixture(scope="module")
def keyless(deploys: Following) -> Flask:
    return app(deploys, None)


def rules(app: Flask) -> list[tuple[str, str]]:
    return [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


def code(app: Flask, method: str, rule: str, **headers: str) -> str:
    """The code of the problem that a request is answered with; "" where there is none."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = rule.replace("<picture_id>", "a").replace("<name>", "page.js")
    answer = app.test_client().open(path, method=method, headers=named)
    answer.close()  # a file that is sent
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
    return (answer.get_json(silent=True) or {}).get("code", "")


def test_the_table_is_what_the_server_has(keyed: Flask) -> None:
    asked = rules(keyed)
    assert len(asked) == len(set(asked))
    assert set(asked) == OPEN | READING | WRITING
    assert not OPEN & READING
    assert not (OPEN | READING) & WRITING


def test_every_endpoint_asks_for_its_key(keyed: Flask) -> None:
    for method, rule in rules(keyed):
        is_open, is_reading = (method, rule) in OPEN, (method, rule) in READING
        for asked in (method, "HEAD") if method == "GET" else (method,):
            named = f"{asked} {rule}"
            answer = code(keyed, asked, rule)
            if asked != "HEAD":
                assert (answer == "key_missing") is not is_open, named
            answer = code(keyed, asked, rule, Authorization=f"Bearer {READ}")
            assert (answer == "forbidden") is not (is_open or is_reading), named
            answer = code(keyed, asked, rule, Authorization=f"Bearer {WRITE}")
            assert answer not in REFUSALS, named


def test_an_endpoint_that_is_not_in_the_table_needs_the_write_key(
    deploys: Following, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    path.write_text(f"read {READ}\nwrite {WRITE}\n")
    made = app(deploys, Access(Keys(path)))
    made.add_url_rule("/forgotten", "forgotten", lambda: "secret", methods=["GET", "POST"])
    for method in ("GET", "HEAD", "POST"):
        ask = partial(made.test_client().open, "/forgotten", method=method)
        assert ask().status_code == 401
        assert ask(headers={"Authorization": f"Bearer {READ}"}).status_code == 403
        assert ask(headers={"Authorization": f"Bearer {WRITE}"}).status_code == 200


def test_what_there_is_not_needs_any_key(keyed: Flask) -> None:
    for method, path in (("GET", "/metrics"), ("GET", "/images/a/b"), ("PATCH", "/images")):
        assert code(keyed, method, path) == "key_missing"
        answer = code(keyed, method, path, Authorization=f"Bearer {READ}")
        assert answer in ("not_found", "method_not_allowed")
    assert keyed.test_client().options("/images").status_code == 401
    # Nothing in the path leads past the table: Flask's own routing decides which rule it is.
    for path in ("//model", "/./model", "/model/", "/page/../model", "/page%2f..%2fmodel"):
        assert keyed.test_client().get(path).status_code in (401, 404), path


@pytest.mark.parametrize(
    "header",
    [
        *("", "Bearer", "Bearer ", f"Bearer{READ}", f"Basic {READ}", READ, f"Bearer: {READ}"),
        *(f"Bearer {READ[:-1]}", f"Bearer {READ}A", f"Bearer {'A' * 64}", f"Bearer {READ},"),
        *(f"Bearer {READ} {READ}", f'Bearer "{READ}"', "Bearer caf\xe9", f"Bearer {'x' * 8192}"),
        *(f"Bearer\t{READ}", f"bearer {READ[::-1]}", f"Token {READ}", f"Bearer token={READ}"),
    ],
)
def test_what_is_no_key_is_answered_alike(keyed: Flask, header: str) -> None:
    client = keyed.test_client()
    named = {"X-Request-Id": "same"}
    missing = client.get("/model", headers=named)
    answer = client.get("/model", headers=named | {"Authorization": header})
    assert (answer.status_code, answer.data) == (401, missing.data)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.get_json()["code"] == "key_missing"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_the_scheme_may_be_in_any_case(keyed: Flask, scheme: str) -> None:
    """RFC 9110, sections 11.1 and 11.4: case-insensitive, one or more spaces."""
    assert code(keyed, "GET", "/model", Authorization=f"{scheme}{READ}") == ""


def test_a_key_in_the_address_is_none(keyed: Flask) -> None:
    for path in (f"/model?key={READ}", f"/model?access_token={READ}"):
        answer = keyed.test_client().get(path)
        assert answer.status_code == 401
        assert READ not in answer.text


def test_with_keys_any_host_and_origin_may_ask(keyed: Flask) -> None:
    sent = {"Host": "shop.example", "Origin": "https://evil.example"}
    assert code(keyed, "GET", "/model", **sent) == "key_missing"
    assert code(keyed, "GET", "/model", **sent, Authorization=f"Bearer {READ}") == ""


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:9", "127.8.9.10:80", "[::1]"),
        "[::1]:8080",
    ],
)
def test_without_keys_this_machines_names_are_served(keyless: Flask, host: str) -> None:
    assert code(keyless, "GET", "/model", Host=host) == ""


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io"),
        *("", "10.0.0.1", "[::2]:80", "evil:80:localhost", "localhost, evil.example", "0.0.0.0"),
        *("localhost@evil.example", "evil.example#localhost", "[localhost", "localhost."),
    ],
)
def test_without_keys_another_name_is_refused(keyless: Flask, host: str) -> None:
    for method, rule in rules(keyless):
        assert code(keyless, method, rule, Host=host) == "foreign_host"


def test_a_request_that_names_no_host_is_refused(keyless: Flask) -> None:
    builder = {"path": "/livez", "environ_overrides": {"HTTP_HOST": ""}}
    assert keyless.test_client().get(**builder).status_code == 403


FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:3000"},  # another program's page on this machine
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "Same-Origin"},
)


@pytest.mark.parametrize("sent", FOREIGN)
def test_without_keys_another_sites_page_is_refused(keyless: Flask, sent: dict[str, str]) -> None:
    for method, rule in rules(keyless):
        is_open = (method, rule) in OPEN
        assert (code(keyless, method, rule, **sent) == "foreign_origin") is not is_open
    assert code(keyless, "POST", "/", **sent) == "foreign_origin"
    assert code(keyless, "GET", "/nothing", **sent) == "foreign_origin"
    assert keyless.test_client().options("/images", headers={"Origin": "null"}).status_code == 403


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Origin": "http://localhost", "Sec_Fetch_Site": "same-origin"},
        {"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"},
        {"Origin": "https://[::1]:8080", "Host": "[::1]:8080"},
    ],
)
def test_without_keys_its_own_page_and_other_programs_may_ask(
    keyless: Flask, sent: dict[str, str]
) -> None:
    for method, rule in rules(keyless):
        assert code(keyless, method, rule, **sent) not in REFUSALS


def test_insecure_lifts_the_check_of_the_name_and_no_other(deploys: Following) -> None:
    made = app(deploys, Access.of(Settings(host="0.0.0.0", insecure=True)))
    assert code(made, "GET", "/model", Host="gpu-box.lan:8080") == ""
    for sent in FOREIGN:
        for host in ({}, {"Host": "gpu-box.lan:8080"}):
            answer = code(made, "POST", "/images/delete", **sent, **host)
            assert answer == "foreign_origin"
    nameless = {"environ_overrides": {"HTTP_HOST": ""}, "headers": {"Origin": "null"}}
    assert made.test_client().post("/images/delete", **nameless).status_code == 403
    own = {"Host": "gpu-box.lan:8080", "Origin": "http://gpu-box.lan:8080"}
    assert code(made, "POST", "/images/delete", **own) not in REFUSALS


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "[::]", "", "*", "10.1.2.3", "::ffff:10.1.2.3", "0", "192.0.2.1"]
)
def test_beyond_this_machine_only_with_keys_or_insecure(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"can be reached from other machines.*--insecure"):
        Access.of(Settings(host=host))
    Access.of(Settings(host=host, insecure=True))
    path = tmp_path / "keys"
    path.write_text(f"read {READ}")
    Access.of(Settings(host=host, keys=path))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_on_this_machine_no_key_is_needed(host: str) -> None:
    Access.of(Settings(host=host))


def test_the_name_it_listens_on_is_its_own(
    deploys: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian's /etc/hosts has it: the machine's own name is 127.0.1.1."""
    found = [(None, None, None, "", ("127.0.1.1", 0))]
    monkeypatch.setattr("alexnet_server.access.socket.getaddrinfo", lambda *_, **__: found)
    made = app(deploys, Access.of(Settings(host="My-Laptop")))
    assert code(made, "GET", "/model", Host="my-laptop:8080") == ""
    assert code(made, "GET", "/model", Host="other-laptop:8080") == "foreign_host"


def test_a_name_of_this_machine_and_of_another_is_not_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(None, None, None, "", (address, 0)) for address in ("127.0.0.1", "10.0.0.1")]
    monkeypatch.setattr("alexnet_server.access.socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(SettingsError, match="can be reached"):
        Access.of(Settings(host="both"))


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a..b"])
def test_a_host_that_means_nothing_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match="no address and no known name"):
        Access.of(Settings(host=host))
