"""What can go wrong between a checkpoint and a served repository.

ExportError
├── CheckpointError    the checkpoint is missing, damaged or of another kind
├── PicturesError      no pictures to prove the export on
├── ParityError        towers and single do not give the same numbers
├── PrecisionError     a precision loses too much, or does not fit the devices
├── DeployError        the repository cannot be written or switched
└── TritonError        a Triton server cannot be reached or refuses

What is wrong with a repository that was found is alexnet_repository.errors.RepositoryError.
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


class PrecisionError(ExportError):
    """A precision loses too much, or does not fit the devices."""


class DeployError(ExportError):
    """The repository cannot be written or switched."""


class TritonError(ExportError):
    """A Triton server cannot be reached or refuses."""
