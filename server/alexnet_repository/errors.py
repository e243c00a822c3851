"""What can be wrong with a model repository.

RepositoryError        root of the tree
├── NothingDeployed    there is no manifest
├── RepositoryChanged  a file differs from the manifest, is missing, or is not listed
├── FilesDisagree      two files do not fit together: a graph and its configuration, labels, ...
├── ForeignContent     a file or a setting that no deploy writes: another backend, Python, ...
└── UnsafeGraph        a graph holds what ours never hold: external data, other operators, ...
"""

from __future__ import annotations


class RepositoryError(Exception):
    """Root of the tree; the message names the file, what is wrong with it and what to do."""


class NothingDeployed(RepositoryError):
    """There is no manifest."""


class RepositoryChanged(RepositoryError):
    """A file differs from the manifest, is missing, or is not listed in it."""


class FilesDisagree(RepositoryError):
    """Two files do not fit together, whatever their digests are."""


class ForeignContent(RepositoryError):
    """A file or a setting that no deploy writes, listed or not."""


class UnsafeGraph(RepositoryError):
    """A graph holds what no graph of ours holds, or stands in another one's place."""
