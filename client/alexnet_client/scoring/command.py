"""``alexnet score``."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from alexnet_client import keys
from alexnet_client.client import AsyncClient, Client
from alexnet_client.errors import BadPicture, ClientError
from alexnet_client.names import printable
from alexnet_client.report import Report
from alexnet_client.scoring import shrink, table
from alexnet_client.scoring.inputs import named_by
from alexnet_client.scoring.run import Order, Run, Summary
from alexnet_client.scoring.scorer import HttpScorer, Scorer


def score(client: Client, options: argparse.Namespace, report: Report) -> None:
    """Score a folder or a list into a file, or go on with it."""
    del client  # it blocks; many requests are in flight here
    if options.engine == "ray":
        _score_on_ray(options, report)
        return
    order = Order(
        source=options.source,
        out=options.out,
        features=options.features,
        top_k=options.top_k,
        views=options.views,
        shrink=options.shrink,
        allow_model_change=options.allow_model_change,
        wait_s=options.wait,
    )
    table.check(order.out)
    if order.shrink:
        shrink.check()

    run = Run(order, report.say, _unlisted(report))
    with run.locked():
        try:
            summary = asyncio.run(_score(run, options))
        except BaseException:
            _tell_how_to_go_on(run, report)
            raise
    _tell(summary, order, report)


def _unlisted(report: Report) -> Callable[[OSError], None]:
    def fail(error: OSError) -> None:
        name = str(error.filename)
        reason = f"the folder cannot be listed: {error.strerror}"
        report.fail(name, BadPicture(reason, code="unreadable_folder", filename=name))

    return fail


def _score_on_ray(options: argparse.Namespace, report: Report) -> None:
    with _extra():
        from alexnet_client.ray.job import score_on_ray  # noqa: PLC0415  an extra
    tally = score_on_ray(
        named_by(options.source, _unlisted(report)),
        options.out,
        server=options.triton or options.server,
        top_k=options.top_k,
        views=options.views,
        timeout_s=options.timeout,
        patience_s=options.wait,
        allow_model_change=options.allow_model_change,
    )
    out = printable(str(options.out))
    report.write(f"{tally.pictures} pictures, {tally.errors} of them without labels: {out}")
    report.failed += tally.errors
    if report.as_json:
        report.write_json({"out": out, "pictures": tally.pictures, "errors": tally.errors})


@contextmanager
def _extra() -> Iterator[None]:
    """Turn a missing package into what to do about it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ClientError(str(error), code="missing_extra") from error


async def _score(run: Run, options: argparse.Namespace) -> Summary:
    async with _scorer(options) as scorer:
        return await run.score(scorer)


@asynccontextmanager
async def _scorer(options: argparse.Namespace) -> AsyncIterator[Scorer]:
    if options.triton is not None:
        with _extra():
            from alexnet_client.triton_direct.scorer import TritonScorer  # noqa: PLC0415  an extra
        async with TritonScorer(options.triton, timeout_s=options.timeout) as triton:
            yield triton
        return
    key = None if options.key_file is None else keys.from_file(options.key_file)
    async with AsyncClient(
        options.server, key=key, timeout_s=options.timeout, max_retries=0
    ) as client:
        yield HttpScorer(client)


def _tell(summary: Summary, order: Order, report: Report) -> None:
    tally = summary.tally
    report.write(
        f"{tally.labelled} of {summary.pictures} pictures have labels, {tally.failed} cannot be "
        f"used, {tally.retryable} failed for a passing reason: {printable(str(order.out))}"
    )
    if tally.retryable:
        report.say("run the same command again to score those that failed for a passing reason")
    report.failed += tally.failed + tally.retryable
    if report.as_json:
        report.write_json(
            {
                "out": printable(str(order.out)),
                "features": None if order.features is None else printable(str(order.features)),
                "pictures": summary.pictures,
                "labelled": tally.labelled,
                "failed": tally.failed,
                "retryable": tally.retryable,
                "unfinished": summary.unfinished,
                "errors": tally.codes,
                "scored_now": summary.scored,
                "requests": summary.requests,
            }
        )


def _tell_how_to_go_on(run: Run, report: Report) -> None:
    summary = run.summary()
    if not summary.tally.lines and not summary.unfinished:
        return
    report.say(
        f"{summary.tally.lines} of {summary.pictures} pictures have their line, "
        f"{summary.unfinished} are unfinished: run the same command again to go on"
    )
    try:
        listed = run.list_unfinished()
    except OSError:
        return  # a full disk, most likely: the reason is told by itself
    if listed is not None:
        report.say(f"the unfinished are listed in {printable(str(listed))}")
