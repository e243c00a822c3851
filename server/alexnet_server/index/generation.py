"""Which features may be compared: those that one model made, in one way."""

from __future__ import annotations

from datetime import UTC, datetime

from alexnet_server.errors import IndexMismatch
from alexnet_server.index.database import Database
from alexnet_server.index.records import Binding


def find_generation(database: Database, binding: Binding) -> int:
    """The number of a binding's generation, which is begun where there is none.

    Raises IndexMismatch where it has features of another length, StorageFailed.
    """
    key = (binding.model_digest, binding.layer, binding.views, binding.metric)
    select = (
        "SELECT generation, units FROM generations"
        " WHERE model_digest = ? AND layer = ? AND views = ? AND metric = ?"
    )
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO generations (model_digest, layer, views, metric, units, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (*key, binding.units, datetime.now(UTC).isoformat(timespec="seconds")),
        )
        ((generation, units),) = connection.execute(select, key)
    if units != binding.units:
        raise IndexMismatch(
            f"the index holds features of {units} units for model {binding.model_digest}, "
            f"the served model gives {binding.units}"
        )
    return int(generation)
