"""Why scoring stops before every picture has its line.

::

    ClientError (alexnet_client.errors)
    ├── ScoringError
    │   ├── NotTheSame       the output was begun with other pictures or settings
    │   ├── Damaged          the output was changed by somebody else since
    │   ├── InUse            another process is writing this output
    │   ├── ModelChanged     another model answers than the one that made the first line
    │   └── NothingToScore   no picture, or the source cannot be read
    └── ServerUnreachable
        └── ServerAway       the server went away, and did not come back in time
"""

from __future__ import annotations

from alexnet_client.errors import ClientError, ServerUnreachable


class ScoringError(ClientError):
    """The base: what is in the output stays as it is."""


class NotTheSame(ScoringError):
    """The output was begun with other pictures, options or another model."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="not_the_same_run")


class Damaged(ScoringError):
    """A file of this run is not as this program left it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="damaged_output")


class InUse(ScoringError):
    """Another process holds the output's lock."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="output_in_use")


class ModelChanged(ScoringError):
    """The server serves another model than the one that made the first line."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="model_changed")


class NothingToScore(ScoringError):
    """The source names no picture, or cannot be read."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="nothing_to_score")


class ServerAway(ServerUnreachable):
    """No answer for as long as the caller would wait."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="server_away")
