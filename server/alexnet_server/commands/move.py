"""``alexnet-server index export``, ``import`` and ``copy``."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from alexnet_server.commands.flags import FAULTY, Verbs, add_command, tell
from alexnet_server.index.contents import chosen, only
from alexnet_server.index.copying import copy
from alexnet_server.index.opening import open_index
from alexnet_server.index.records import METRICS
from alexnet_server.index.transfer import pictures_in, read_binding, read_export, write_export
from alexnet_server.settings import Settings


def add_commands(verbs: Verbs) -> None:
    """The three commands."""
    export = add_command(
        verbs,
        "export",
        _export,
        "write the pictures of a model to a folder, as NumPy and JSON lines",
    )
    export.add_argument("out", type=Path, metavar="OUT_DIR", help="a folder that is not there")
    _add_choice(export)
    taken = add_command(
        verbs, "import", _import, "store what export wrote; again: store what is missing"
    )
    taken.add_argument("folder", type=Path, metavar="DIR", help="folder that export wrote")
    copied = add_command(
        verbs,
        "copy",
        _copy,
        "bring the pictures of one index into another, from a file to a Milvus or back; again: "
        "bring what is missing",
        (),
    )
    for name in ("source", "target"):
        copied.add_argument(
            name, metavar=name.upper(), help="sqlite:///PATH or milvus://HOST:PORT/PREFIX"
        )
    _add_choice(copied)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="DIGEST", help="the first digits of the model's digest; else any"
    )
    parser.add_argument("--metric", choices=METRICS, help="the metric of the index; else any")


def _export(options: argparse.Namespace, given: Settings) -> int:
    url = _url(given, given.index)
    binding = only(url, options.model, options.metric)
    with (
        closing(open_index(url, binding)) as index,
        tqdm(total=index.count(), desc="export", unit="picture", disable=None) as progress,
    ):
        written = write_export(index, options.out, progress.update)
    tell({"export": str(options.out), "model": binding.model_digest, "pictures": written})
    return 0


def _import(options: argparse.Namespace, given: Settings) -> int:
    binding = read_binding(options.folder)
    count = pictures_in(options.folder)
    with (
        closing(open_index(_url(given, given.index), binding)) as index,
        tqdm(total=count, desc="import", unit="picture", disable=None) as progress,
    ):
        written = read_export(options.folder, index, progress.update)
    tell({"model": binding.model_digest, "pictures": count, "written": written})
    return 0


def _copy(options: argparse.Namespace, given: Settings) -> int:
    source_url, target_url = _url(given, options.source), _url(given, options.target)
    told, is_complete = [], True
    for binding in chosen(source_url, options.model, options.metric):
        with (
            closing(open_index(source_url, binding)) as source,
            closing(open_index(target_url, binding)) as target,
            tqdm(total=source.count(), desc="copy", unit="picture", disable=None) as progress,
        ):
            copied = copy(source, target, progress.update)
        told.append({"model": binding.model_digest, "metric": binding.metric} | copied.as_json())
        is_complete &= copied.is_complete
    tell({"copied": told})
    return 0 if is_complete else FAULTY


def _url(given: Settings, index: str) -> str | Path:
    """What Indexes opens.  Raises SettingsError."""
    return replace(given, index=index).index_path or index
