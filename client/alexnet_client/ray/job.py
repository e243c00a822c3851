"""``alexnet score --engine ray``: a list of any length into a folder of Parquet files.

The output folder holds, beside the partitions' files, the list as it was when the job began
(``_pictures.jsonl``) and what was asked (``_job.json``): a rerun must mean the same, and does only
the partitions whose files are missing.
"""

from __future__ import annotations

import filecmp
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexnet_client.connection import DEFAULT_URL, URL_VARIABLE
from alexnet_client.progress import Progress
from alexnet_client.ray.partition import DRAFT_PREFIX, Partition, PartitionStage, Place, errors_in
from alexnet_client.ray.stage import ScoreFailed, ScoreStage
from alexnet_client.results import ModelRef
from alexnet_client.scoring.errors import (
    ModelChanged,
    NothingToScore,
    NotTheSame,
    ScoringError,
    ServerAway,
)
from alexnet_client.scoring.lock import Lock

try:
    import ray
    import ray.data
    import ray.exceptions
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"--engine ray needs the extra [ray] ({error}): pip install './client[ray]'",
        name=error.name,
    ) from error

PARTITION_PICTURES = 10_000
_LIST, _JOB, _LOCK = "_pictures.jsonl", "_job.json", "_lock"
_FORMAT = 1


@dataclass(frozen=True)
class Tally:
    """What the whole output holds, this run's partitions and those before."""

    pictures: int
    errors: int


def score_on_ray(
    pictures: Iterable[str],
    out: Path,
    *,
    server: str | None = None,
    top_k: int = 5,
    views: int = 1,
    features: bool = False,
    timeout_s: float = 60.0,
    patience_s: float = 600.0,
    partition_pictures: int = PARTITION_PICTURES,
    actors: int | None = None,
    allow_model_change: bool = False,
) -> Tally:
    """Score ``pictures`` (paths) into ``out/part-*.parquet``, ``partition_pictures`` a file.

    Runs on the Ray that this process is connected to, else on the one that the environment's
    RAY_ADDRESS names, else on one of its own on this machine. ``out`` and the pictures must be
    seen under the same paths by every machine.

    ``server`` is that of `ScoreStage`; None: the environment's ALEXNET_SERVER, else
    http://127.0.0.1:8080. ``actors`` is how many partitions are scored at a time (default: half
    the cluster's CPUs). The other arguments are those of `ScoreStage`.

    Raises:
        NothingToScore: there is no picture.
        InUse: another process fills ``out``.
        NotTheSame: ``out`` was begun with other pictures or another question.
        ModelChanged: another model answers than the one that began, and it is not allowed.
        ServerAway: no answer for ``patience_s`` seconds. What is finished stays.
        ScoringError: the server refused for another reason. What is finished stays.
        OSError: ``out`` cannot be written.
    """
    server = server or os.environ.get(URL_VARIABLE) or DEFAULT_URL  # of this machine
    asked: dict[str, Any] = {"server": server, "top_k": top_k, "views": views, "features": features}
    patience = {"timeout_s": timeout_s, "patience_s": patience_s}
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with Lock(out / _LOCK):
        partitions = _spooled(pictures, out, partition_pictures)
        model = _model(asked | patience)
        question = {**asked, "partition_pictures": partition_pictures}
        del question["server"]  # another address may serve the same model
        _pin(out / _JOB, question, model, allow_model_change)
        missing = [each for each in partitions if not (out / each.name).exists()]
        if missing:
            place = Place(out / _LIST, out, Path.cwd())
            digest = None if allow_model_change else model.digest
            progress = Progress(sum(each.pictures for each in missing))
            progress.advance(0)
            for done in _finished(missing, place, digest, asked | patience, actors):
                progress.advance(done)
        counts = [errors_in(out / each.name) for each in partitions]
    return Tally(sum(rows for rows, _ in counts), sum(errors for _, errors in counts))


def _spooled(pictures: Iterable[str], out: Path, partition_pictures: int) -> list[Partition]:
    """Write the list, or see that it is the one that is there; where each partition begins."""
    for left in out.glob(f"{DRAFT_PREFIX}part-*"):  # of actors that were killed
        left.unlink(missing_ok=True)
    offsets, count = [], 0
    draft, final = out / f"{DRAFT_PREFIX}{_LIST}.{os.getpid()}", out / _LIST
    try:
        with draft.open("wb") as file:
            for count, picture in enumerate(pictures, start=1):
                if (count - 1) % partition_pictures == 0:
                    offsets.append(file.tell())
                file.write(json.dumps(picture).encode("ascii") + b"\n")
        if not count:
            raise NothingToScore("there is no picture to score")
        if final.exists() and not filecmp.cmp(draft, final, shallow=False):
            raise NotTheSame(
                f"{out} was begun with other pictures than there are now ({final} has them): "
                "name another output for these"
            )
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
    sizes = [partition_pictures] * (len(offsets) - 1)
    sizes.append(count - sum(sizes))
    return [Partition(n, *each) for n, each in enumerate(zip(offsets, sizes, strict=True))]


def _pin(path: Path, question: dict[str, Any], model: ModelRef, allow_model_change: bool) -> None:
    """Note what is asked of which model, or see that it is what the job began with."""
    now = {"format": _FORMAT, **question, "model": asdict(model)}
    if path.exists():
        began = json.loads(path.read_text(encoding="utf-8"))
        other = sorted(key for key in now.keys() | began if now.get(key) != began.get(key))
        if set(other) - {"model"}:
            raise NotTheSame(
                f"{path.parent} was begun with another {', '.join(other)}: name another output"
            )
        if now["model"]["digest"] != began["model"]["digest"] and not allow_model_change:
            raise ModelChanged(
                f"{path.parent} was begun with the model {began['model']['digest']}, and "
                f"{model.digest} answers now: name another output, or allow it "
                "(--allow-model-change)"
            )
    draft = path.with_name(f"{DRAFT_PREFIX}{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def _model(asked: dict[str, Any]) -> ModelRef:
    try:
        with closing(ScoreStage(**asked)) as stage:
            return stage.model()
    except ScoreFailed as failed:
        raise _stopped(failed) from failed


def _finished(
    missing: list[Partition],
    place: Place,
    digest: str | None,
    asked: dict[str, Any],
    actors: int | None,
) -> Iterator[int]:
    """Have ``missing`` scored; yields the pictures of each as it is finished."""
    _connect()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    most = actors or max(1, int(ray.cluster_resources()["CPU"]) // 2)
    rows = ray.data.from_items([asdict(each) for each in missing]).map_batches(
        PartitionStage,
        fn_constructor_args=(place, digest, asked),
        batch_format="pyarrow",
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(most, len(missing))),
    )
    try:
        for row in rows.iter_rows():
            if row["reason"] is not None:
                raise _stopped(ScoreFailed(row["reason"], row["may_pass"]))
            yield int(row["pictures"])
    except ray.exceptions.RayError as error:
        raise ScoringError(f"Ray failed: {error}", code="ray_failed") from error


def _connect() -> None:
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        return
    if "RAY_ADDRESS" in os.environ:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call its makers
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)


def _stopped(failed: ScoreFailed) -> ServerAway | ScoringError:
    if failed.may_pass:
        return ServerAway(failed.reason)
    return ScoringError(failed.reason, code="scoring_failed")
