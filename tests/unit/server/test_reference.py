"""The document for programs and the page for people say what the code does, and no more."""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

import alexnet_server
from alexnet_pixels.errors import PictureError
from alexnet_pixels.views import VIEW_COUNTS
from alexnet_repository.files import deployed
from alexnet_server import parameters as server_parameters
from alexnet_server import problem, variables
from alexnet_server.access import OPEN, READING
from alexnet_server.app import create_app
from alexnet_server.deployed import open_deployed
from alexnet_server.errors import RequestError, picture_status
from alexnet_server.following import Following
from alexnet_server.index import MOST_DELETED, where
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import METRICS
from alexnet_server.routes import classify, duplicates, images, search
from alexnet_server.served import Served
from alexnet_server.settings import Limits, Settings
from tests.local_engine import local_engine

DOCUMENT = json.loads(resources.files("alexnet_server").joinpath("openapi.json").read_text())
PAGE = Path(__file__).parents[3].joinpath("docs", "api.md").read_text()
METHODS = {"get", "put", "post", "delete", "patch"}
LOG_ONLY = {"client_gone"}  # nobody is there to be answered with it
OPERATIONS = {
    (method.upper(), path): operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
REGISTRY = Registry().with_resource("urn:api", DRAFT202012.create_resource(DOCUMENT))


@pytest.fixture(scope="module")
def app(narrow_inside: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    index = tmp_path_factory.mktemp("reference") / "index.sqlite"
    chosen = Settings(repository=narrow_inside, index=f"sqlite:///{index}")
    deploys = Following(
        partial(open_deployed, narrow_inside, local_engine, Indexes(chosen.index_path)),
        partial(deployed, narrow_inside),
    )
    yield create_app(Served.of(chosen, deploys))
    deploys.close()


def subclasses(root: type) -> Iterator[type]:
    for child in root.__subclasses__():
        yield child
        yield from subclasses(child)


def literal_problems() -> Iterator[tuple[str, int]]:
    """Code and status of each ``problem(503, "not_ready", ...)`` in the server's source."""
    for file in Path(alexnet_server.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "problem":
                status, code = node.args[:2]
                if isinstance(code, ast.Constant):
                    yield code.value, status.value


def codes() -> dict[str, int]:
    """Every error code the server can answer with, and its status."""
    refusals = {error.code: error.status for error in (RequestError, *subclasses(RequestError))}
    faults = {error.code: picture_status(error()) for error in subclasses(PictureError)}
    flask = {code: status for status, code in problem._FLASK_CODES.items()}
    return refusals | faults | flask | dict(literal_problems())


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    for key in node["$ref"].removeprefix("#/").split("/"):
        node = DOCUMENT[key] if key == "components" else node[key]
    return node


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from schemas(child)


def parameters(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [resolved(one) for one in operation.get("parameters", [])]


def sections() -> dict[tuple[str, str], str]:
    """The part of docs/api.md under each endpoint's heading."""
    parts = re.split(r"^##+ (.*)\n", PAGE, flags=re.MULTILINE)[1:]
    headings = zip(parts[::2], parts[1::2], strict=True)
    found = [(re.fullmatch(r"`([A-Z]+) (/\S*)`", heading), text) for heading, text in headings]
    return {(match[1], match[2]): text for match, text in found if match}


def rows(text: str) -> dict[str, list[str]]:
    """Table rows whose first cell is one `name`: its other cells."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {row[0].strip("`"): row[1:] for row in cells if row and row[0].startswith("`")}


def complaints(schema: dict[str, Any], value: Any) -> list[str]:
    """``schema`` is a part of the document, so its references are made to point there."""
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    validator = Draft202012Validator(absolute, registry=REGISTRY)
    return [error.message for error in validator.iter_errors(value)]


def test_the_document_is_valid_openapi():
    validate(DOCUMENT)


def test_the_served_document_is_the_file_with_the_installed_version(app):
    served = app.test_client().get("/openapi.json").get_json()
    assert served["info"].pop("version") != DOCUMENT["info"]["version"]
    assert served["info"] == {k: v for k, v in DOCUMENT["info"].items() if k != "version"}
    assert served | {"info": 0} == DOCUMENT | {"info": 0}


def test_the_document_has_every_route_and_no_other(app):
    routes = {
        (method, re.sub(r"<(?:\w+:)?picture_(id)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith(("/page/", "/docs/"))
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert set(OPERATIONS) == routes


def test_the_page_has_every_route_and_no_other():
    assert sections().keys() == OPERATIONS.keys()
    assert all("```sh\ncurl " in text for text in sections().values())


def test_the_document_has_every_code_with_its_status():
    known = codes()
    said = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]
    assert set(said["enum"]) == set(known) - LOG_ONLY
    assert {code: one["status"] for code, one in said["x-meanings"].items()} == {
        code: known[code] for code in said["enum"]
    }
    for name, response in DOCUMENT["components"]["responses"].items():
        said = response["content"]["application/problem+json"]["schema"]["properties"]
        if name == "RangeNotSatisfiable":  # Flask's other refusals share the code bad_request
            continue
        assert {known[code] for code in said["code"]["enum"]} == {said["status"]["const"]}, name


def test_the_page_has_every_code_with_its_status():
    table = rows(PAGE.split("## Errors")[1].split("## Limits")[0])
    assert {code: int(cells[0]) for code, cells in table.items()} == codes()
    assert all("log" in table[code][1] for code in LOG_ONLY)
    said = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["x-meanings"]
    for code, meaning in said.items():  # the same words in both
        assert [cell.replace("`", "") for cell in table[code][1:]] == [
            meaning["when"],
            meaning["do"],
        ]


def codes_of(operation: dict[str, Any], status: str) -> set[str]:
    response = resolved(operation["responses"].get(status, {"content": {}}))
    schema = response["content"].get("application/problem+json", {}).get("schema", {})
    return set(schema["properties"]["code"]["enum"]) if schema else set()


@pytest.mark.parametrize("endpoint", OPERATIONS, ids=" ".join)
def test_the_document_says_who_may_ask(endpoint):
    method, path = endpoint
    rule = (method, path.replace("{id}", "<picture_id>"))
    operation = OPERATIONS[endpoint]
    is_open = rule in OPEN
    assert operation.get("security", DOCUMENT["security"]) == (
        [] if is_open else [{}, {"bearer": []}]
    )
    assert codes_of(operation, "401") == (set() if is_open else {"key_missing"})
    writes = set() if rule in READING else {"forbidden"}
    foreign = {"foreign_host"} if is_open else {"foreign_host", "foreign_origin"} | writes
    assert codes_of(operation, "403") == foreign


@pytest.mark.parametrize("endpoint", OPERATIONS, ids=" ".join)
def test_the_document_says_what_is_refused_under_load(endpoint):
    method, path = endpoint
    refused = {"overloaded", "shutting_down", "deadline_exceeded"}
    is_gated = (method, path.replace("{id}", "<picture_id>")) not in OPEN
    operation = OPERATIONS[endpoint]
    assert (refused <= codes_of(operation, "503")) == is_gated
    if is_gated:
        assert "Retry-After" in resolved(operation["responses"]["503"])["headers"]


def test_every_answer_has_the_headers_that_all_have():
    for operation in OPERATIONS.values():
        for response in operation["responses"].values():
            assert {"X-Request-Id", "Server-Timing"} <= resolved(response)["headers"].keys()
    for item in DOCUMENT["paths"].values():
        names = {resolved(one)["name"] for one in item["parameters"]}
        assert {"X-Request-Id", "traceparent"} <= names


def test_responses_stand_under_their_own_status():
    for operation in OPERATIONS.values():
        for status, response in operation["responses"].items():
            content = resolved(response).get("content", {})
            if "application/problem+json" in content:
                said = content["application/problem+json"]["schema"]["properties"]["status"]
                assert said == {"const": int(status)}


def test_answers_allow_no_undocumented_field():
    open_ended = {"PictureForm", "FeatureQuery"}  # requests whose other fields the server ignores
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for part in schemas(schema):
            if isinstance(part.get("properties"), dict) and name not in open_ended:
                assert part.get("additionalProperties") is False, name


def test_examples_are_what_their_schemas_describe():
    shown = [part for part in schemas(DOCUMENT["paths"]) if "example" in part]
    assert len(shown) > 10
    for part in shown:
        assert complaints(part["schema"], part["example"]) == []


@pytest.mark.parametrize("endpoint", OPERATIONS, ids=" ".join)
def test_answers_on_the_page_are_what_the_document_describes(endpoint):
    answers = re.findall(r"```json\n(.*?)```", sections()[endpoint], re.DOTALL)
    for answer in answers:
        content = OPERATIONS[endpoint]["responses"]["200"]["content"]["application/json"]
        assert complaints(content["schema"], json.loads(answer)) == []


@pytest.mark.parametrize("endpoint", OPERATIONS, ids=" ".join)
def test_the_page_has_every_parameter_with_its_values(endpoint):
    table = rows(sections()[endpoint].split("Text fields of the form")[0])
    query = [one for one in parameters(OPERATIONS[endpoint]) if one["in"] == "query"]
    assert set(table) == {one["name"] for one in query}
    for one in query:
        schema = one["schema"]
        values, default = (cell.strip("`") for cell in table[one["name"]][:2])
        written = schema.get("default", "")
        assert default == (written if isinstance(written, str) else json.dumps(written))
        if schema["type"] == "string" and "enum" in schema:
            assert re.findall(r"[a-z0-9]+", values.replace(" or ", " ")) == schema["enum"]
        if schema["type"] == "integer":
            bounds = schema.get("enum") or [schema["minimum"], schema["maximum"]]
            assert [int(number) for number in re.findall(r"\d+", values)] == bounds


def test_the_document_has_the_limits_of_the_code():
    limits = Limits()
    component = DOCUMENT["components"]
    known, offered = component["schemas"], component["parameters"]
    picture, forms = known["Picture"], (known["PictureForm"], known["StoreForm"])
    assert picture["maxLength"] == limits.max_picture_bytes
    for pixels in asdict(limits.pixels).values():
        assert f"{pixels:,}" in picture["description"]
    embedded = known["EmbeddingQuery"]
    assert embedded["properties"]["input"]["oneOf"][1]["maxItems"] == limits.max_views
    assert f"{limits.max_embeddings_bytes:,}" in embedded["description"]
    for form in forms:
        assert form["properties"]["image"]["maxItems"] == limits.max_views
        assert f"{limits.max_request_bytes:,}" in form["description"]
    assert known["LabelText"]["maxLength"] == limits.max_label_characters
    assert known["MetadataText"]["maxLength"] == limits.max_metadata_bytes
    assert known["DeleteQuery"]["oneOf"][1]["properties"]["ids"]["maxItems"] == images._MAX_DELETED
    numbers = {
        "top_k": (classify._TOP_K, classify._MAX_TOP_K),
        "k": (search._K, limits.max_k),
        "limit": (images._PAGE, images._MAX_PAGE),
    }
    assert numbers["limit"] == (duplicates._LIMIT, duplicates._MAX_LIMIT)
    filters = known["Where"]["additionalProperties"]["oneOf"][1]["maxItems"]
    assert (known["Where"]["maxProperties"], filters) == (where.MAX_KEYS, where.MAX_VALUES)
    assert offered["where"]["schema"]["maxLength"] == server_parameters._MAX_WHERE_BYTES
    texts = [one["anyOf"][0]["maxLength"] for one in (known["Scalar"], known["Bound"])]
    assert texts == [where.MAX_TEXT] * 2
    assert tuple(known["Range"]["properties"]) == where.RANGES
    assert tuple(known["Metric"]["enum"]) == METRICS
    assert f"{MOST_DELETED:,}" in PAGE
    for name, (default, most) in numbers.items():
        schema = offered[name]["schema"]
        assert (schema["default"], schema["maximum"]) == (default, most), name
    assert tuple(offered["views"]["schema"]["enum"]) == VIEW_COUNTS


def test_the_page_has_the_limits_of_the_code():
    limits = asdict(Limits())
    limits |= limits.pop("pixels")
    table = rows(PAGE.split("## Limits")[1].split("## Settings")[0])
    assert {name: cells[0] for name, cells in table.items()} == {
        name: f"{value:,}" for name, value in limits.items()
    }


def test_the_page_has_every_setting():
    parser = argparse.ArgumentParser(add_help=False)
    variables.add_flags(parser)
    table = rows(PAGE.split("## Settings")[1])
    assert set(table) == {flag for action in parser._actions for flag in action.option_strings}
    for setting in variables._settable():
        variable, default = table[f"--{setting.name.replace('_', '-')}"][:2]
        shown = "none" if setting.default is None or setting.default is False else setting.default
        assert (variable, default) == (f"`{variables._variable(setting)}`", f"`{shown}`")
