"""What can go wrong between a checkpoint and a served repository.

ExportError
├── CheckpointError    the checkpoint is missing, damaged or of another kind
├── PicturesError      no pictures to prove the export on
├── ParityError        towers and single do not give the same numbers
└── RepositoryError    the repository cannot be written, read or switched
"""

from __future__ import annotations


class ExportError(Exception):
    """Root of the tree; the message says what came, what is needed and what to do."""


class CheckpointError(ExportError):
    """The checkpoint is missing, damaged or of another kind."""


class PicturesError(ExportError):
    """No pictures to prove the export on."""


class ParityError(ExportError):
    """Towers and single do not give the same numbers."""


class RepositoryError(ExportError):
    """The repository cannot be written, read or switched."""
