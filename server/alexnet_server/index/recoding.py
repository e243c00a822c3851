"""Codes for all pictures, made in the background and then searched by.

They are made in order of key, some in each transaction, so that a kill loses the last step alone;
the rest and the switch are one transaction.  Pictures that are stored meanwhile come last.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import apsw
import numpy as np

from alexnet_server.engine import Values
from alexnet_server.index import code_rows
from alexnet_server.index.blocks import Blocks, Codes, Keys
from alexnet_server.index.code_rows import Stage
from alexnet_server.index.coder import Coder, fit_coder
from alexnet_server.index.database import Database
from alexnet_server.index.records import Binding
from alexnet_server.index.rows import damaged
from alexnet_server.index.stages import Stages
from alexnet_server.index.stored_features import AT_ONCE, read_features, read_keys
from alexnet_server.index.writer import Writer

STEP = 2_000  # codes in a transaction
_SWEPT = 20_000
_SAMPLE = 50_000  # pictures, for the mean
_WEIGHT = 64  # a step in the writer's eyes: 2,000 codes are as many bytes as 60 pictures
_RETRY_S = 60.0
_log = logging.getLogger(__name__)


class Recoding:
    """Begins, carries on and ends the making of codes; one thread, where there is something to do.

    The first codes are made at ``exact_up_to`` pictures; the mean of so few is replaced once, at
    ``again_at``.  ``wanted`` is the coder of a graph, None for the one that suits the metric.
    """

    def __init__(
        self,
        stages: Stages,
        database: Database,
        writer: Writer,
        generation: int,
        *,
        binding: Binding,
        wanted: Coder | None,
        exact_up_to: int,
        again_at: int,
    ) -> None:
        self._stages = stages
        self._database = database
        self._writer = writer
        self._generation = generation
        self._binding = binding
        self._wanted = wanted
        self._exact_up_to = exact_up_to
        self._again_at = again_at
        self._lock = threading.Lock()  # guards _thread
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def consider(self) -> None:
        """Start, where codes are to be made or old ones to go and nothing does it yet."""
        with self._lock:
            if self._thread is None and self._is_due() and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="recoding", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop after the step that is under way; the next ``consider`` of this file carries on."""
        self._closing.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _is_due(self) -> bool:
        return self._needs_codes() or self._stages.has_leftovers

    def _needs_codes(self) -> bool:
        now, count = self._stages.current, self._stages.count
        if self._stages.coming is not None:
            return True
        if count < self._exact_up_to:
            return False
        if now is None or self._wanted is not None:
            return now is None or now.coder is not self._wanted
        # A mean of as many as are ever taken is not made again.
        is_of_few = now.fitted_on < min(self._again_at, _SAMPLE)
        return now.coder.kind == "mean" and is_of_few and count >= self._again_at

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closing.is_set() or not self._is_due():
                    self._thread = None
                    return
            try:
                if self._needs_codes():
                    self._make()
                else:
                    self._sweep()
            except Exception:  # noqa: BLE001 (the thread's boundary: searches stay exact)
                _log.exception("codes could not be made; tried again in %.0f s", _RETRY_S)
                self._closing.wait(_RETRY_S)

    def _make(self) -> None:
        stage = self._stages.coming or self._begin()
        while not self._closing.is_set() and self._stages.coming is stage:
            with self._database.reading() as connection:
                keys, features = self._uncoded(connection, stage, STEP)
            codes = stage.coder.encode(features)
            if len(keys) == STEP:
                self._append(stage, keys, codes)
            else:
                self._complete(stage)

    def _begin(self) -> Stage:
        with self._database.reading() as connection:
            keys = read_keys(connection, "generation = ?", (self._generation,))
            sample = keys[np.linspace(0, len(keys) - 1, min(len(keys), _SAMPLE), dtype=np.int64)]
            coder = self._wanted or fit_coder(
                self._binding.metric, self._read(connection, sample), self._binding.units
            )

        def change(connection: apsw.Connection) -> Stage:
            number = code_rows.begin(connection, self._generation, coder, len(sample))
            return Stage(number, coder, len(sample), Blocks(coder.code_bytes))

        return self._writer.write(change, self._stages.begin)

    def _read(self, connection: apsw.Connection, keys: Keys) -> Iterator[Values]:
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            yield read_features(connection, some, self._binding.units).features

    def _uncoded(
        self, connection: apsw.Connection, stage: Stage, limit: int
    ) -> tuple[Keys, Values]:
        # "+" keeps SQLite from the index of ids: the pictures are wanted in order of key.
        wanted = read_keys(
            connection,
            "+generation = ? AND picture > ? ORDER BY picture",
            (self._generation, stage.blocks.last),
            limit,
        )
        keys, features, _ = read_features(connection, wanted, self._binding.units)
        if len(keys) != len(wanted):
            raise damaged(f"{len(wanted) - len(keys)} pictures have no features")
        return keys, features

    def _append(self, stage: Stage, keys: Keys, codes: Codes) -> None:
        """Write codes of those pictures that are there still."""

        def change(connection: apsw.Connection) -> np.ndarray:
            there = read_keys(
                connection, "picture IN carray(?)", (apsw.carray(np.ascontiguousarray(keys)),)
            )
            kept = np.isin(keys, there)
            code_rows.write(connection, stage.number, keys[kept], codes[kept])
            return kept

        self._writer.write(
            change, lambda kept: stage.blocks.append(keys[kept], codes[kept]), weight=_WEIGHT
        )

    def _complete(self, stage: Stage) -> None:
        """The codes that are left, and the switch, with nothing written in between."""

        def change(connection: apsw.Connection) -> tuple[Keys, Codes]:
            keys, features = self._uncoded(connection, stage, -1)
            codes = stage.coder.encode(features)
            code_rows.write(connection, stage.number, keys, codes)
            code_rows.switch(connection, self._generation, stage.number)
            return keys, codes

        def applied(made: tuple[Keys, Codes]) -> None:
            stage.blocks.append(*made)
            self._stages.switch(stage)

        self._writer.write(change, applied, weight=_WEIGHT)
        _log.info(
            "searches go by codes of kind %s, fitted on %d pictures",
            stage.coder.kind,
            stage.fitted_on,
        )

    def _sweep(self) -> None:
        is_left = True
        while is_left and not self._closing.is_set():
            is_left = self._writer.write(
                lambda connection: code_rows.sweep(connection, self._generation, _SWEPT),
                lambda is_left: None if is_left else self._stages.swept(),
                weight=_WEIGHT,
            )
