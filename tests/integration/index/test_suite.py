"""The suite over an SQLite file, and over a Milvus through its wire."""

from tests.index_suite import *  # noqa: F403
