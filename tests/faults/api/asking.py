"""Schemathesis asks a server for everything that its OpenAPI document says, and much it forbids."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from hypothesis import strategies
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.faults.size import sized

CASES = sized(50, 5000)
SEED = 2012
REFUSING = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422"]
# No schema can say which bytes are a picture.
UNKNOWN = "positive_data_acceptance"
NOT_CHECKED = {
    "POST /classify": UNKNOWN,
    "POST /features": UNKNOWN,
    "POST /towers": UNKNOWN,
    "POST /search": UNKNOWN,
    "POST /v1/embeddings": UNKNOWN,
    "POST /images": UNKNOWN,
    "PUT /images/{id}": UNKNOWN,
    # Under that path POST deletes several pictures, and the other methods mean the id "delete".
    "POST /images/delete": "allow_header_conformance",
}


@dataclass
class Found:
    """What was asked of one operation, and what was wrong with the answers."""

    cases: int = 0
    statuses: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def settings(url: str) -> SchemathesisConfig:
    """Every check there is, but those on authorization: there are no keys here."""
    off = {"enabled": False}
    return SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "base-url": url,
            "continue-on-failure": True,
            "request-timeout": 30,
            "suppress-health-check": ["all"],
            "generation": {"max-examples": CASES, "deterministic": True, "database": "none"},
            "checks": {
                "negative_data_rejection": {"expected-statuses": REFUSING},
                "missing_required_header": {"expected-statuses": REFUSING},
                "ignored_auth": off,
                "object_level_authorization": off,
            },
            "phases": {"stateful": {"generation": {"max-examples": sized(5, 100)}}},
            "operations": [
                # Ids that become fewer as they are used up end the generation early.
                {
                    "include-method": "DELETE",
                    "phases": {"fuzzing": {"extra-data-sources": {"responses": False}}},
                },
            ],
        }
    )


def ask(
    url: str, document: dict[str, Any], paths: list[str], pictures: dict[str, bytes]
) -> dict[str, Found]:
    """Ask the server at ``url`` for the operations of ``paths``; to be run in a process of its own.

    That is because media types are Schemathesis's for good, and one process uses one core.  It is
    given ``document`` and a picture of each media type: with NumPy in it, Hypothesis would set and
    restore NumPy's random numbers for every case.
    """
    for kind, picture in pictures.items():
        schemathesis.openapi.media_type(kind, strategies.just(picture))
    every = strategies.one_of(strategies.sampled_from([*pictures.values()]), strategies.binary())
    schemathesis.openapi.media_type("application/octet-stream", every)
    # Climbing towards more successful answers takes a third of the time.
    hypothesis.target = lambda *_, **__: None
    schema = schemathesis.openapi.from_dict(document, config=settings(url))
    # Not ``include``: beside the settings' filter, which lets everything pass, it would do nothing.
    others = [path for path in document["paths"] if path not in paths]
    found: dict[str, Found] = defaultdict(Found)
    for event in from_schema(schema.exclude(path=others)).execute():
        if isinstance(event, events.NonFatalError):
            found[event.label].faults.append(str(event.value))
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.ScenarioFinished):
            _record(event.recorder, found)
    return dict(found)


def _record(recorder: Any, found: dict[str, Found]) -> None:
    for name, node in recorder.cases.items():
        label = node.value.operation.label
        one = found[label]
        one.cases += 1
        if name in recorder.interactions and (answer := recorder.interactions[name].response):
            one.statuses.add(answer.status_code)
        for check in recorder.checks.get(name, ()):
            failed = check.failure_info
            if failed is None or NOT_CHECKED.get(label) == check.name:
                continue
            is_of_negative = check.name == "negative_data_rejection"
            if not (is_of_negative and _is_no_violation(node.value, failed.failure.message)):
                one.faults.append(f"{check.name}: {failed.failure}\n{failed.code_sample}")


def _is_no_violation(case: Any, message: str) -> bool:
    """Whether what was sent is as described after all: its form on the wire says less."""
    if case.media_type == "multipart/form-data" and "(was string, became " in message:
        return True  # RFC 7578, section 4.4: a part without a type of its own is text
    return "where" in message and any(map(_reads_as_the_largest, _numbers(case.body)))


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
    elif isinstance(value, int):
        yield value


def _reads_as_the_largest(number: int) -> bool:
    """Beyond the largest double by less than half of its last place (RFC 8259, section 6)."""
    try:
        return abs(float(number)) == sys.float_info.max
    except OverflowError:
        return False
