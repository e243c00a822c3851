"""The lines as a table, CSV or Parquet, made whole from the ledger once every picture has one."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, Any

from alexnet_client.errors import ClientError
from alexnet_client.names import printable
from alexnet_client.scoring import durable, line
from alexnet_client.scoring.line import Line

SUFFIXES = (".jsonl", ".csv", ".parquet")
_ROWS_A_GROUP = 16_384
_ERROR = ("code", "title", "detail")


def check(out: Path) -> None:
    """Say before the work whether the table can be written after it.

    Raises:
        ClientError: it is Parquet, and pyarrow is not installed.
    """
    if out.suffix == ".parquet":
        try:
            import_module("pyarrow.parquet")
        except ImportError as error:
            raise ClientError(
                "Parquet needs pyarrow: pip install './client[parquet]', or write .csv or .jsonl",
                code="missing_extra",
            ) from error


def write(ledger: Path, out: Path, top_k: int) -> None:
    """Write the table of a ledger, whole or not at all; nothing where the ledger is the output.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    if out.suffix == ".csv":
        durable.replace(out, lambda file: _write_csv(_lines(ledger), file, top_k))
    elif out.suffix == ".parquet":
        durable.replace(out, lambda file: _write_parquet(_lines(ledger), file))


def _lines(ledger: Path) -> Iterator[Line]:
    with ledger.open("rb") as file:
        yield from map(line.decoded, file)


def _write_csv(lines: Iterator[Line], file: IO[bytes], top_k: int) -> None:
    """RFC 4180, in UTF-8; a name that is no UTF-8 stands there with the bytes it has on disk."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    rows = csv.writer(text)
    columns = ("label", "class_id", "probability")
    numbered = [f"{column}_{n}" for n in range(1, top_k + 1) for column in columns]
    rows.writerow(["path", *numbered, *(f"error_{part}" for part in _ERROR), "model"])
    for one in lines:
        cells = [found[column] for found in one.get("predictions", ()) for column in columns]
        cells += [""] * (len(numbered) - len(cells))
        error = one.get("error", {})
        rows.writerow(
            [one["path"], *cells, *(error.get(part, "") for part in _ERROR), one.get("model", "")]
        )
    text.detach()


def _write_parquet(lines: Iterator[Line], file: IO[bytes]) -> None:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    prediction = [
        ("label", arrow.string()),
        ("class_id", arrow.int32()),
        ("probability", arrow.float32()),
    ]
    schema = arrow.schema(
        [
            ("path", arrow.string()),
            ("path_bytes", arrow.binary()),
            ("predictions", arrow.list_(arrow.struct(prediction))),
            ("error", arrow.struct([(part, arrow.string()) for part in _ERROR])),
            ("model", arrow.string()),
        ]
    )
    with parquet.ParquetWriter(file, schema) as writer:
        while rows := list(map(_row, islice(lines, _ROWS_A_GROUP))):
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def _row(one: Line) -> dict[str, Any]:
    """Parquet's text is UTF-8: another name stands there as text, and as its bytes beside it."""
    path, error = one["path"], one.get("error")
    is_text = path.isascii() or _is_encodable(path)
    return {
        "path": path if is_text else printable(path),
        "path_bytes": None if is_text else os.fsencode(path),
        "predictions": one.get("predictions"),
        "error": error and {part: error[part] for part in _ERROR},
        "model": one.get("model"),
    }


def _is_encodable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
