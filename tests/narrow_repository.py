"""A deployed narrow network, for the many tests that need one and change none of its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import DIALECTS
from alexnet_export.layers import Dialect
from tests.random_checkpoint import NARROW, write_random_checkpoint


def deploy_narrow(folder: Path, seed: int = 2012, dialect: Dialect = NARROW) -> Path:
    """``repository`` in ``folder``, deployed from the run folder ``run`` beside it.

    Another ``seed`` makes another model.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, dialect.name, dialect)
        (folder / "run").mkdir()
        write_random_checkpoint(dialect, folder / "run", seed)
        deploy(folder / "run", Deployment(folder / "repository"))
    return folder / "repository"
