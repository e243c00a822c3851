"""What can go wrong between a checkpoint and a served repository.

ExportError
├── CheckpointError    the checkpoint is missing, damaged or of another kind
├── PicturesError      no pictures to prove the export on
├── ParityError        towers and single do not give the same numbers
├── PrecisionError     a precision loses too much, or does not fit the devices
├── DeployError        the repository cannot be written or switched
├── SourceError        a public network's file is refused
├── DownloadError      a published file was not fetched
│   └── OfflineError   no address answers: the network is closed
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


class SourceError(ExportError):
    """A public network's file is refused: another one, damaged, or of another structure."""


class DownloadError(ExportError):
    """A published file was not fetched: another is there, or the disk does not take it."""


class OfflineError(DownloadError):
    """No address answers: the network is closed; the message says what to fetch by hand."""


class TritonError(ExportError):
    """A Triton server cannot be reached or refuses."""
