"""``alexnet-server index reindex``: the stored pictures, by a new model."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import numpy as np
from tqdm import tqdm

from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureError
from alexnet_pixels.limits import PixelLimits
from alexnet_pixels.square import Pixels
from alexnet_pixels.thumbnail import thumbnail
from alexnet_pixels.views import views
from alexnet_repository.repository import Repository, open_repository
from alexnet_server.commands.flags import FAULTY, Verbs, add_command, index_file, tell
from alexnet_server.engine.local import LocalNetwork
from alexnet_server.errors import SettingsError
from alexnet_server.index.drift import Drift
from alexnet_server.index.inspected import Generation, generations, open_file
from alexnet_server.index.opening import Indexes
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Binding
from alexnet_server.index.reindexing import (
    Filled,
    Look,
    Looked,
    Read,
    Reindexing,
    choose_source,
    files_by_content,
)
from alexnet_server.originals import Originals
from alexnet_server.settings import Settings

_MOST_NAMED = 100  # of the missing pictures
_DELETED_AT_ONCE = 1_000


def add_commands(verbs: Verbs) -> None:
    """The command ``reindex``."""
    parser = add_command(
        verbs,
        "reindex",
        _reindex,
        "give the model of --repository every stored picture, from the pictures' own bytes, beside "
        "a server that goes on with the former model; tell how the two differ, and switch.  Run "
        "again after an interruption, it goes on",
        ("index", "repository", "originals", "metric", "codes"),
    )
    parser.add_argument(
        "--folder", type=Path, help="take the pictures from any folder, by their content"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIGEST",
        help="the model to take the pictures of, by the beginning of its digest",
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="switch though the bytes of some pictures are not there",
    )
    parser.add_argument(
        "--min-kept",
        type=float,
        default=0.0,
        metavar="0..1",
        help="switch only where as large a part of the ten nearest stays the same (0)",
    )
    parser.add_argument("--no-switch", action="store_true", help="stop before the switch")
    parser.add_argument(
        "--discard", action="store_true", help="delete what an unfinished reindex has written"
    )


def _reindex(options: argparse.Namespace, given: Settings) -> int:
    if not 0 <= options.min_kept <= 1:
        raise SettingsError(f"--min-kept must lie in 0..1, not {options.min_kept:g}")
    path = index_file(given)
    repository = open_repository(given.repository)
    binding = Binding(repository.digest, repository.feature_units, metric=given.metric)
    indexes = Indexes(path, metric=given.metric, codes=given.codes)
    try:
        if options.discard:
            return _discard(indexes.open(binding, builds=True))
        read = _reader(options.folder, given.originals)
        with open_file(path) as connection, _looking(repository, given.limits.pixels) as look:
            index = indexes.open(binding, builds=True)
            return _build(options, connection, index, read, look)
    finally:
        indexes.close()


def _build(
    options: argparse.Namespace,
    connection: apsw.Connection,
    index: PictureIndex,
    read: Read,
    look: Look,
) -> int:
    known = generations(connection)
    target = _numbered(known, index.binding)
    source = choose_source(connection, known.values(), target, options.source)
    reindexing = Reindexing(connection, source, target, index)
    with _bar("reindex", "picture") as bar:
        filled = reindexing.fill(read, look, bar.update)
    with _bar("compare", "picture") as bar:
        drift = reindexing.compare(bar.update)
    report = {
        "from": {"model": source.model_digest, "metric": source.metric},
        "to": {"model": target.model_digest, "metric": target.metric},
        "pictures": index.count(),
        "missing": len(filled.missing),
        "drift": asdict(drift),
    }
    kept_back = _kept_back(options, filled, drift)
    if kept_back is None:
        index.switch(report)
    named = dict(list(filled.missing.items())[:_MOST_NAMED])
    state = "live" if kept_back is None else "building"
    tell(report | {"written": filled.written, "missing_pictures": named, "state": state})
    if kept_back is None or options.no_switch:
        return 0
    sys.stderr.write(f"alexnet-server: not switched: {kept_back}\n")
    return FAULTY


def _kept_back(options: argparse.Namespace, filled: Filled, drift: Drift) -> str | None:
    """Why there is to be no switch, or None."""
    kept = drift.neighbors_kept_at_10
    if filled.missing and not options.allow_missing:
        return (
            f"{len(filled.missing)} pictures cannot be had: bring their files and run it again, or "
            "switch without them (--allow-missing)"
        )
    if kept is not None and kept < options.min_kept:
        return f"{kept:.4f} of the ten nearest stay the same, wanted are {options.min_kept:g}"
    return "--no-switch" if options.no_switch else None


def _discard(index: PictureIndex) -> int:
    deleted = 0
    while some := index.page("", _DELETED_AT_ONCE).pictures:
        deleted += index.delete([one.id for one in some])
    index.switch({})
    tell({"deleted": deleted})
    return 0


def _numbered(known: dict[int, Generation], binding: Binding) -> Generation:
    wanted = (binding.model_digest, binding.layer, binding.views, binding.metric)
    return next(
        one
        for one in known.values()
        if (one.model_digest, one.layer, one.views, one.metric) == wanted
    )


def _reader(folder: Path | None, originals: Path | None) -> Read:
    named = folder or originals
    if named is None:
        raise SettingsError("name the folder of the pictures: --originals or --folder")
    if not named.is_dir():
        raise SettingsError(f"there is no folder {named}")
    if folder is None:
        return Originals(named).read
    with _bar("read", "file") as bar:
        files = files_by_content(folder, bar.update)
    return lambda digest: files[digest].read_bytes() if digest in files else None


@contextmanager
def _looking(repository: Repository, limits: PixelLimits) -> Iterator[Look]:
    """The network in this process, and a thread a core to decode."""
    network = LocalNetwork(repository)
    with ThreadPoolExecutor(os.cpu_count()) as decoders:

        def look(pictures: Sequence[bytes]) -> list[Looked]:
            decoded = list(decoders.map(partial(_decoded, limits=limits), pictures))
            good = [pixels for pixels in decoded if not isinstance(pixels, PictureError)]
            if not good:
                return [pixels for pixels in decoded if isinstance(pixels, PictureError)]
            side = network.view_side
            answer = network.run(np.concatenate([views(pixels, 1, side) for pixels in good]))
            answer.require_finite()
            seen = zip(map(thumbnail, good), answer.features, strict=True)  # [n, units]
            return [one if isinstance(one, PictureError) else next(seen) for one in decoded]

        yield look


def _decoded(data: bytes, limits: PixelLimits) -> Pixels | PictureError:
    try:
        return decode(data, limits)
    except PictureError as error:
        return error


def _bar(what: str, unit: str) -> tqdm[Any]:
    return tqdm(desc=what, unit=unit, disable=None)
