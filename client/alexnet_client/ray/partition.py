"""A partition: some thousand pictures of a list, scored into one Parquet file or none.

Actors of a Ray write partitions beside each other into one folder that all of them see. A file is
written under a hidden name and renamed once it is whole and on the disk, so that a killed actor
leaves nothing that looks finished.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alexnet_client.picture import read
from alexnet_client.ray.stage import ScoreFailed, ScoreStage
from alexnet_client.ray.table import schema, table
from alexnet_client.scoring import durable
from alexnet_client.scoring.scorer import Scored

DRAFT_PREFIX = "."  # readers of a folder of Parquet pass over what begins with a dot
_ROWS_A_GROUP = 1024  # 16.8 MB of features, which is what an actor holds at a time
_ERRORS = b"alexnet.errors"
# ``pictures`` that were written; or 0, and why the partition has no file.
OUTCOME = pa.schema([("pictures", pa.int64()), ("reason", pa.string()), ("may_pass", pa.bool_())])


@dataclass(frozen=True)
class Partition:
    """``pictures`` lines of the list, from byte ``offset`` on; number ``number`` of all."""

    number: int
    offset: int
    pictures: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"part-{self.number:06d}.parquet"


@dataclass(frozen=True)
class Place:
    """Where the list and the output are, and what relative paths of the list start from."""

    pictures: Path
    out: Path
    root: Path

    def lines(self, partition: Partition) -> Iterator[str]:
        """The pictures' paths as they were given."""
        with self.pictures.open("rb") as file:
            file.seek(partition.offset)
            for _ in range(partition.pictures):
                yield str(json.loads(file.readline()))


class PartitionStage:
    """For ``Dataset.map_batches``: partitions in, a row each of `OUTCOME` out.

    ``digest`` is the only model that may answer; None: any. ``asked`` goes to `ScoreStage`.
    """

    def __init__(self, place: Place, digest: str | None, asked: dict[str, Any]) -> None:
        self._place = place
        self._digest = digest
        self._stage = ScoreStage(**asked)
        self._schema = schema(bool(asked["features"]))

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Score and write the partitions ``number``, ``offset``, ``pictures`` of a batch."""
        outcomes = [self._outcome(Partition(**row)) for row in batch.to_pylist()]
        return pa.Table.from_pylist(outcomes, schema=OUTCOME)

    def _outcome(self, partition: Partition) -> dict[str, Any]:
        # Raised, the reason would reach the driver as a text among the lines of a traceback.
        try:
            self._write(partition)
        except ScoreFailed as failed:
            return {"pictures": 0, "reason": failed.reason, "may_pass": failed.may_pass}
        except OSError as error:
            return {"pictures": 0, "reason": f"{partition.name}: {error}", "may_pass": False}
        return {"pictures": partition.pictures}

    def close(self) -> None:
        """Close the connections, where this is no actor."""
        self._stage.close()

    def _write(self, partition: Partition) -> None:
        final = self._place.out / partition.name
        draft = self._place.out / f"{DRAFT_PREFIX}{partition.name}.{uuid.uuid4().hex}"
        try:
            self._fill(draft, partition)
            draft.replace(final)
            durable.sync_folder(final.parent)
        finally:
            draft.unlink(missing_ok=True)

    def _fill(self, draft: Path, partition: Partition) -> None:
        errors = 0
        names = list(self._place.lines(partition))
        with draft.open("wb") as file, pq.ParquetWriter(file, self._schema) as writer:
            for first in range(0, len(names), _ROWS_A_GROUP):
                some = names[first : first + _ROWS_A_GROUP]
                scored = self._stage.scored(self._uploads(some))
                self._require_model(scored)
                writer.write_table(table(some, scored, self._schema))
                errors += sum(one.error is not None for one in scored)
            writer.add_key_value_metadata({_ERRORS: str(errors)})
            writer.close()
            file.flush()
            os.fsync(file.fileno())

    def _uploads(self, names: list[str]) -> Iterator[Any]:
        return (read(os.path.join(self._place.root, name)) for name in names)  # noqa: PTH118

    def _require_model(self, scored: list[Scored]) -> None:
        others = {one.digest for one in scored if one.digest} - {self._digest}
        if self._digest is not None and others:
            raise ScoreFailed(
                f"the model changed: {min(others)} answers, where {self._digest} began", False
            )


def errors_in(part: Path) -> tuple[int, int]:
    """Pictures in a finished partition, and how many of them have an error: from its footer."""
    footer = pq.read_metadata(part)
    return footer.num_rows, int(footer.metadata[_ERRORS])
