"""Which models have pictures in a store: an index file, or a prefix of a Milvus."""

from __future__ import annotations

from pathlib import Path

from alexnet_server.errors import IndexMismatch, SettingsError
from alexnet_server.index.inspected import generations, open_file
from alexnet_server.index.records import Binding


def bindings(url: str | Path) -> list[Binding]:
    """Every binding that has a place in the store ``url``, but for those still being made.

    Raises SettingsError where there is no such file, IndexMismatch or StorageFailed.
    """
    if isinstance(url, Path):
        return _of_file(url)
    # pymilvus takes a second to import, and reads .env files: only where it is needed.
    from alexnet_server.index.milvus.address import connected, parse_address  # noqa: PLC0415

    address = parse_address(url)
    with connected(address) as client:
        return address.bindings(client)


def chosen(url: str | Path, model: str | None, metric: str | None) -> list[Binding]:
    """Those of the store whose digest begins with ``model`` and that have this metric.

    None takes all.  Raises SettingsError where there are none, and as ``bindings``.
    """
    found = [
        binding
        for binding in bindings(url)
        if binding.model_digest.startswith(model or "") and metric in (None, binding.metric)
    ]
    if not found:
        raise SettingsError(f"{url} has no pictures of such a model: see --model and --metric")
    return found


def only(url: str | Path, model: str | None, metric: str | None) -> Binding:
    """The one that is ``chosen``.  Raises IndexMismatch where there are several."""
    found = chosen(url, model, metric)
    if len(found) > 1:
        told = ", ".join(f"{one.model_digest[:12]} {one.metric}" for one in found)
        raise IndexMismatch(f"{url} has several models ({told}): choose by --model and --metric")
    return found[0]


def _of_file(path: Path) -> list[Binding]:
    if not path.is_file():
        raise SettingsError(f"there is no index file {path}")
    with open_file(path) as connection:
        found = generations(connection).values()
    return [
        Binding(one.model_digest, one.units, one.layer, one.views, one.metric)
        for one in found
        if one.state == "live"
    ]
