"""Every operation of /openapi.json, asked for real: the answers are what the document describes."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.running_server import running_server

# Not the other tests' own: the index is shared.
LABEL, STORED, DOOMED, NEW = "openapi", "openapi-stored", "openapi-doomed", "openapi-new"
BODY_STARTS = {"application/x-npy": b"\x93NUMPY", "image/jpeg": b"\xff\xd8\xff", "text/html": b"<"}
# No client can cause these: a NaN in the model, a Triton that fails or is not up, a server that is
# full, a picture deleted between two steps of one request.
BY_FAULT_ALONE = {"500", "502", "503"}
BY_KEYS_ALONE = {"401"}  # the server of most of these tests has none
BY_RACE_ALONE = {("put", "/images/{id}", "404"), ("post", "/images", "404")}
BY_DEPLOY_ALONE = {("post", "/towers", "404")}  # one without the graph of conv1
BY_INDEX_ALONE = {"409", "507"}

DOCUMENT = json.loads(resources.files("alexnet_server").joinpath("openapi.json").read_text())
OPERATIONS = {
    (method, path): operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}


@dataclass(frozen=True)
class Case:
    """A request and the status it must be answered with; ``send`` makes httpx's arguments."""

    method: str
    path: str
    status: int
    code: str | None = None
    send: Callable[[bytes], dict[str, Any]] = lambda _: {}
    id: str = STORED

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status} {self.code or ''}".strip()


def ask(**arguments: Any) -> Callable[[bytes], dict[str, Any]]:
    return lambda _: arguments


def raw(photo: bytes) -> dict[str, Any]:
    return {"content": photo}


def form(*, data: dict[str, Any] | None = None, extra: tuple[bytes, ...] = (), **arguments: Any):
    """The photo as the first ``image`` of a form, ``extra`` ones after it."""
    return lambda photo: {
        "files": [("image", ("a.jpg", one)) for one in (photo, *extra)],
        "data": data or {},
        **arguments,
    }


def of_label(photo: bytes) -> dict[str, Any]:
    """A picture without an id, its bytes like no other test's."""
    return {"files": {"image": photo + b"openapi"}, "data": {"label": LABEL}}


NPY = {"Accept": "application/x-npy"}
JSON = {"Content-Type": "application/json"}
FAR = "Fri, 01 Jan 2100 00:00:00 GMT"
FOREIGN = {"Host": "evil.example"}
PAST_64_MIB = b"\0" * (64 * 2**20 + 1)
PAST_10_MIB = ask(content=b"\0" * (10 * 2**20 + 1))
NO_PICTURE = ask(files={"image": (None, "text")})
FEATURES = {"features": [0.5] * 4096}
EMBEDDINGS = "/v1/embeddings"


def embedded(*others: bytes, **arguments: Any) -> Callable[[bytes], dict[str, Any]]:
    """The photo as the first of several data URLs."""

    def body(photo: bytes) -> dict[str, Any]:
        urls = [
            f"data:image/jpeg;base64,{base64.b64encode(one).decode()}" for one in (photo, *others)
        ]
        return {"json": {"input": urls, "model": "alexnet", **arguments}}

    return body


def upload_cases(method: str, path: str) -> list[Case]:
    """What every endpoint that takes pictures refuses."""
    return [
        Case(method, path, 400, "missing_picture", NO_PICTURE),
        Case(method, path, 400, "bad_request", ask(files={"picture": b"x"})),
        Case(method, path, 400, "bad_request", form(data={"colour": "red"})),
        Case(method, path, 413, "picture_too_large", PAST_10_MIB),
        Case(method, path, 413, "too_many_pictures", ask(files=[("image", b"x")] * 65)),
        Case(method, path, 415, "unsupported_format", ask(content=b"x")),
        Case(method, path, 422, "empty_picture"),
        Case(method, path, 422, "undecodable_picture", ask(content=b"\xff\xd8\xff\xe0 no photo")),
    ]


def storing_cases(method: str, path: str) -> list[Case]:
    """What every endpoint that stores pictures refuses besides."""
    return [
        *upload_cases(method, path),
        Case(method, path, 400, "bad_metadata", form(data={"metadata": "[]"})),
        Case(method, path, 400, "bad_metadata", form(data={"label": "x" * 257})),
    ]


CASES = [
    Case("get", "/", 200),
    Case("get", "/", 206, send=ask(headers={"Range": "bytes=0-0"})),
    Case("get", "/", 304, send=ask(headers={"If-Modified-Since": FAR})),
    Case("get", "/", 416, "bad_request", ask(headers={"Range": "bytes=99999999-"})),
    Case("get", "/docs", 200),
    Case("get", "/docs", 206, send=ask(headers={"Range": "bytes=0-0"})),
    Case("get", "/docs", 304, send=ask(headers={"If-Modified-Since": FAR})),
    Case("get", "/docs", 416, "bad_request", ask(headers={"Range": "bytes=99999999-"})),
    Case("get", "/livez", 200, send=ask(headers={"X-Request-Id": "openapi.1"})),
    Case("get", "/readyz", 200),
    Case("get", "/model", 200),
    Case("get", "/openapi.json", 200),
    *(
        Case("get", path, 400, "bad_parameter", ask(params={"unknown": 1}))
        for path in ("/livez", "/readyz", "/model", "/openapi.json")
    ),
    Case("post", "/classify", 200, send=raw),
    Case("post", "/classify", 200, send=form(extra=(b"x",), params={"top_k": 2, "views": 10})),
    *upload_cases("post", "/classify"),
    Case("post", "/classify", 413, "request_too_large", ask(content=PAST_64_MIB)),
    Case("post", "/features", 200, send=raw),
    Case("post", "/features", 200, send=form(extra=(b"x", b""))),
    Case("post", "/features", 200, send=form(headers=NPY)),
    Case("post", "/features", 415, "unsupported_format", form(extra=(b"x",), headers=NPY)),
    *upload_cases("post", "/features"),
    Case("post", "/towers", 200, send=raw),
    Case("post", "/towers", 200, send=form(extra=(b"x",), params={"maps": 12})),
    *upload_cases("post", "/towers"),
    Case("post", EMBEDDINGS, 200, send=embedded()),
    Case("post", EMBEDDINGS, 200, send=embedded(encoding_format="base64", dimensions=4096)),
    Case("post", EMBEDDINGS, 400, "bad_request", ask(json={"input": "https://example.org/a.jpg"})),
    Case("post", EMBEDDINGS, 400, "bad_request", embedded(colour="red")),
    Case("post", EMBEDDINGS, 400, "missing_picture", ask(json={"input": []})),
    Case("post", EMBEDDINGS, 413, "picture_too_large", embedded(b"\0" * (10 * 2**20 + 1))),
    Case("post", EMBEDDINGS, 413, "too_many_pictures", embedded(*[b"x"] * 64)),
    Case("post", EMBEDDINGS, 413, "request_too_large", ask(content=PAST_64_MIB, headers=JSON)),
    Case("post", EMBEDDINGS, 415, "unsupported_format", embedded(b"x")),
    Case("post", EMBEDDINGS, 415, "unsupported_media_type", raw),
    Case("post", EMBEDDINGS, 422, "empty_picture", embedded(b"")),
    Case("post", "/search", 200, send=raw),
    Case("post", "/search", 200, send=form(extra=(b"x",), params={"label": LABEL, "k": 1})),
    Case("post", "/search", 200, send=ask(json=FEATURES, params={"max_distance": 1e6})),
    Case("post", "/search", 200, send=ask(json=FEATURES, params={"where": '{"a": 1}'})),
    Case("post", "/search", 400, "bad_request", ask(json={"features": [0.5]})),
    Case("post", "/search", 400, "bad_request", ask(json=FEATURES | {"k": 1})),
    *upload_cases("post", "/search"),
    Case("get", "/images", 200),
    Case("get", "/images", 200, send=ask(params={"limit": 1, "label": LABEL})),
    Case("get", "/images", 200, send=ask(params={"where": '{"a": {"gte": 0}, "b": ["x", true]}'})),
    Case("get", "/images", 400, "bad_parameter", ask(params={"where": '{"a": null}'})),
    Case("post", "/images", 200, send=of_label),
    Case("post", "/images", 200, send=form(extra=(b"x",), data={"id": [STORED, "openapi-bad"]})),
    Case("post", "/images", 400, "bad_id", form(data={"id": "a/b"})),
    *storing_cases("post", "/images"),
    Case("get", "/images/{id}", 200),
    Case("get", "/images/{id}", 404, "picture_not_found", id="openapi-none"),
    Case("put", "/images/{id}", 201, send=raw, id=NEW),
    Case("put", "/images/{id}", 200, send=form(data={"metadata": '{"a": [1]}'})),
    Case("put", "/images/{id}", 400, "bad_request", form(extra=(b"x",))),
    *storing_cases("put", "/images/{id}"),
    Case("delete", "/images/{id}", 204, id=DOOMED),
    Case("delete", "/images/{id}", 404, "picture_not_found", id="openapi-none"),
    Case("get", "/images/{id}/thumbnail", 200),
    Case("get", "/images/{id}/thumbnail", 304, send=ask(headers={"If-None-Match": "*"})),
    Case("get", "/images/{id}/thumbnail", 404, "picture_not_found", id="openapi-none"),
    Case("get", "/images/{id}/similar", 200, send=ask(params={"k": 100, "exact": "true"})),
    Case("get", "/images/{id}/similar", 404, "picture_not_found", id="openapi-none"),
    Case("post", "/images/delete", 200, send=ask(json={"ids": ["openapi-none"]})),
    Case("post", "/images/delete", 200, send=ask(json={"label": "openapi-none"})),
    Case("post", "/images/delete", 200, send=ask(json={"where": {"openapi-none": 1}})),
    Case("post", "/images/delete", 200, send=ask(json={"where": {"a": ["b"]}, "label": "none"})),
    Case("post", "/images/delete", 400, "bad_request", ask(json={"where": {"a": []}})),
    Case("post", "/images/delete", 400, "bad_request", ask(json={"ids": [], "label": "x"})),
    Case("post", "/images/delete", 400, "bad_request", ask(json={"where": {}})),
    Case("post", "/images/delete", 400, "bad_request", ask(json={"where": {}, "label": "none"})),
    Case("post", "/images/delete", 400, "bad_id", ask(json={"ids": ["a/b"]})),
    Case("post", "/images/delete", 400, "bad_metadata", ask(json={"label": ""})),
    Case(
        "post", "/images/delete", 413, "request_too_large", ask(content=PAST_64_MIB, headers=JSON)
    ),
    Case("post", "/images/delete", 415, "unsupported_media_type", raw),
    Case("get", "/duplicates", 200, send=ask(params={"max_distance": 0, "limit": 1})),
    Case("get", "/duplicates", 200, send=ask(params={"max_distance": 1e6})),
    Case("get", "/duplicates", 400, "bad_parameter"),
]
QUERY = [
    (method, path, parameter)
    for (method, path), operation in OPERATIONS.items()
    for reference in operation.get("parameters", [])
    for parameter in [DOCUMENT["components"]["parameters"][reference["$ref"].split("/")[-1]]]
]
GOOD = {"boolean": ["true", "false"], "string": ["a"], "json": ["{}", '{"a": 1, "b": {"lt": 2}}']}
BAD = {"integer": [0, "1.5", ""], "number": [-1, "nan", ""], "boolean": ["yes"], "string": []}
BAD["json"] = ["", "[]", "{", "null", '{"a": NaN}', '{"a": 1, "a": 2}', '{"": 1}', "[" * 4_000]
NEEDED = {"/duplicates": {"max_distance": 1}}
OF_INDEX = [key for key, one in OPERATIONS.items() if one["responses"].keys() >= BY_INDEX_ALONE]


@pytest.fixture(scope="module")
def photo(photos: Path) -> bytes:
    return next((photos / "flower").glob("[0-9]*.jpg")).read_bytes()


@pytest.fixture(scope="module")
def client(serving, photo: bytes) -> Iterator[httpx.Client]:
    """A client of the shared server, in whose index ``STORED`` and ``DOOMED`` stand for now."""
    with httpx.Client(base_url=serving.url, timeout=60) as client:
        for name in (STORED, DOOMED):
            client.put(f"/images/{name}", **form(data={"label": LABEL})(photo)).raise_for_status()
        yield client
        client.post("/images/delete", json={"label": LABEL}).raise_for_status()
        client.post("/images/delete", json={"ids": [STORED, DOOMED, NEW]}).raise_for_status()


@pytest.fixture(scope="module")
def registry(client: httpx.Client) -> Registry:
    """The document as the server gives it."""
    served = client.get("/openapi.json").raise_for_status().json()
    return Registry().with_resource("urn:api", DRAFT202012.create_resource(served))


def check(registry: Registry, method: str, path: str, answer: httpx.Response) -> None:
    """Status, headers, content type and body of ``answer`` are described by the document."""
    served = registry.contents("urn:api")
    described = served["paths"][path][method]["responses"][str(answer.status_code)]
    if "$ref" in described:
        described = registry.resolver("urn:api").lookup(described["$ref"]).contents
    assert [name for name in described["headers"] if name not in answer.headers] == []
    if "content" not in described:
        assert answer.content == b""
        return
    kind = answer.headers["Content-Type"].partition(";")[0]
    schema = described["content"][kind]["schema"]
    if "json" not in kind:
        assert answer.content.startswith(BODY_STARTS[kind])
        return
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    body = json.loads(answer.content, parse_constant=pytest.fail)  # Infinity is not JSON
    Draft202012Validator(
        absolute, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    ).validate(body)
    if answer.is_error:
        assert body["request_id"] == answer.headers["X-Request-Id"]


def code_of(answer: httpx.Response) -> str | None:
    return answer.json()["code"] if answer.is_error else None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_answers_are_as_described(client, registry, photo, case):
    answer = client.request(case.method, case.path.format(id=case.id), **case.send(photo))
    assert (answer.status_code, code_of(answer)) == (case.status, case.code)
    check(registry, case.method, case.path, answer)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=str)
def test_every_operation_and_status_is_asked_for(method, path):
    asked = {str(case.status) for case in CASES if (case.method, case.path) == (method, path)}
    asked |= {"400"} if "400" in OPERATIONS[method, path]["responses"] else set()  # see below
    asked |= {"403"}  # see below
    asked |= (
        BY_FAULT_ALONE | BY_KEYS_ALONE | (BY_INDEX_ALONE if (method, path) in OF_INDEX else set())
    )
    asked |= {status for *key, status in BY_RACE_ALONE | BY_DEPLOY_ALONE if key == [method, path]}
    assert OPERATIONS[method, path]["responses"].keys() <= asked


@pytest.mark.parametrize(
    ("method", "path"), [key for key, one in OPERATIONS.items() if "400" in one["responses"]]
)
def test_undocumented_parameters_are_refused(client, registry, method, path):
    answer = client.request(method, path.format(id=STORED), params={"colour": "red"})
    assert (answer.status_code, code_of(answer)) == (400, "bad_parameter")
    check(registry, method, path, answer)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=str)
def test_another_host_is_refused(client, registry, method, path):
    answer = client.request(method, path.format(id=STORED), headers=FOREIGN)
    assert (answer.status_code, code_of(answer)) == (403, "foreign_host")
    check(registry, method, path, answer)


@pytest.fixture(scope="module")
def locked(
    narrow_inside, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """A client of a server that asks for a key, and the header with one that may read alone."""
    folder = tmp_path_factory.mktemp("keys")
    reader, writer = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    keys = folder / "keys"
    keys.write_text(f"read {reader}\nwrite {writer}\n")
    keys.chmod(0o600)
    with (
        running_server(narrow_inside, folder / "index", "--keys", str(keys)) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client, {"Authorization": f"Bearer {reader}"}


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=str)
def test_with_keys_one_is_asked_for(locked, registry, method, path):
    client, reader = locked
    described = OPERATIONS[method, path]["responses"]
    answer = client.request(method, path.format(id=STORED))
    assert (answer.status_code == 401) == ("401" in described)
    check(registry, method, path, answer)
    answer = client.request(method, path.format(id=STORED), headers=reader)
    writes = "403" in described and "MayNotWrite" in described["403"]["$ref"]
    assert (answer.status_code == 403) == writes
    check(registry, method, path, answer)


@pytest.mark.parametrize(("method", "path"), [key for key in OPERATIONS if "{id}" in key[1]])
def test_other_ids_are_refused(client, registry, photo, method, path):
    content = {"content": photo} if method == "put" else {}
    answer = client.request(method, path.format(id="a%20b"), **content)
    assert (answer.status_code, code_of(answer)) == (400, "bad_id")
    check(registry, method, path, answer)


@pytest.mark.parametrize("query", QUERY, ids=lambda query: " ".join((*query[:2], query[2]["name"])))
def test_parameters_take_what_is_documented_and_no_more(client, registry, photo, query):
    method, path, parameter = query
    name, schema = parameter["name"], parameter["schema"]
    bounds = [schema[key] for key in ("minimum", "maximum") if key in schema]
    kind = "json" if "contentMediaType" in schema else schema["type"]
    good = schema.get("enum") or bounds or GOOD[kind]
    past = [max(good) + 1] if schema["type"] == "integer" else []
    for status, values in ((200, good), (400, BAD[kind] + past)):
        for value in values:
            body = raw(photo) if method == "post" else {}
            params = NEEDED.get(path, {}) | {name: value}
            answer = client.request(method, path.format(id=STORED), params=params, **body)
            assert answer.status_code == status, f"{name}={value}"
            check(registry, method, path, answer)


@pytest.mark.parametrize("status", [409, 507])
def test_without_an_index_its_operations_say_so(narrow_inside, tmp_path, registry, photo, status):
    (tmp_path / "file").write_text("not an index")
    index = tmp_path / "file" if status == 409 else tmp_path / "file" / "index.sqlite"
    with (
        running_server(narrow_inside, index) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        for method, path in OF_INDEX:
            body = {"json": {"label": LABEL}} if path == "/images/delete" else raw(photo)
            content = body if method in ("post", "put") else {}
            params = NEEDED.get(path, {})
            answer = client.request(method, path.format(id=STORED), params=params, **content)
            assert answer.status_code == status, f"{method} {path}"
            check(registry, method, path, answer)
        for method, path in (("get", "/model"), ("post", "/classify")):
            answer = client.request(method, path, **(raw(photo) if method == "post" else {}))
            assert answer.status_code == 200
            check(registry, method, path, answer)
