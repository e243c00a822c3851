"""Which features may be compared: those that one model made, in one way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import apsw

from alexnet_server.errors import IndexMismatch
from alexnet_server.index.records import Binding


@dataclass(frozen=True)
class Standing:
    """``state`` of a generation, ``live`` or ``building``, and whether it has no pictures."""

    state: str
    is_empty: bool


def find_generation(connection: apsw.Connection, binding: Binding) -> int:
    """The number of a binding's generation, which is begun where there is none.

    Raises IndexMismatch where it has features of another length.
    """
    key = (binding.model_digest, binding.layer, binding.views, binding.metric)
    connection.execute(
        "INSERT INTO generations (model_digest, layer, views, metric, units, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*key, binding.units, datetime.now(UTC).isoformat(timespec="seconds")),
    )
    ((generation, units),) = connection.execute(
        "SELECT generation, units FROM generations"
        " WHERE model_digest = ? AND layer = ? AND views = ? AND metric = ?",
        key,
    )
    if units != binding.units:
        raise IndexMismatch(
            f"the index holds features of {units} units for model {binding.model_digest}, "
            f"the served model gives {binding.units}"
        )
    return int(generation)


def standing(connection: apsw.Connection, generation: int) -> Standing:
    """How a generation stands."""
    ((state, has_pictures),) = connection.execute(
        "SELECT state, EXISTS (SELECT 1 FROM pictures WHERE pictures.generation = ?)"
        " FROM generations WHERE generation = ?",
        (generation, generation),
    )
    return Standing(state, not has_pictures)


def count(connection: apsw.Connection, generation: int) -> int:
    """Number of pictures; reads the index of ids."""
    counted = connection.execute(
        "SELECT count(*) FROM pictures WHERE generation = ?", (generation,)
    ).get
    return int(counted)


def progress(connection: apsw.Connection, generation: int) -> str:
    """How far a generation that is building has come, beside the largest that is live."""
    most = connection.execute(
        "SELECT coalesce(max(pictures), 0) FROM (SELECT count(*) AS pictures FROM pictures"
        " JOIN generations USING (generation) WHERE state = 'live' GROUP BY generation)"
    ).get
    return f"{count(connection, generation):,} of {most:,} pictures"


def begin_building(connection: apsw.Connection, generation: int) -> None:
    """Nobody but who fills it shall see the generation until ``switch_to_live``.

    One that is building already is carried on with.  Raises IndexMismatch where it is live and
    has pictures.
    """
    now = standing(connection, generation)
    if now.state == "live" and not now.is_empty:
        raise IndexMismatch("the index of this model is in use already: there is nothing to make")
    connection.execute(
        "UPDATE generations SET state = 'building' WHERE generation = ?", (generation,)
    )


def switch_to_live(connection: apsw.Connection, generation: int, report: dict[str, Any]) -> None:
    """Show the generation to everybody; ``report`` says how it differs from what it replaces."""
    connection.execute(
        "UPDATE generations SET state = 'live', report = ? WHERE generation = ?",
        (json.dumps(report, allow_nan=False), generation),
    )
