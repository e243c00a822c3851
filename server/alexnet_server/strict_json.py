"""JSON that every reader can read: no NaN and no infinity, which Python would write as they are."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider


class StrictJson(DefaultJSONProvider):
    """How the application writes JSON; a number that JSON does not have is a fault of ours."""

    sort_keys = False

    def dumps(self, obj: Any, **options: Any) -> str:  # noqa: ANN401 (any JSON value)
        """JSON text of ``obj``.  Raises ValueError on NaN or infinity (RFC 8259, section 6)."""
        return super().dumps(obj, **{**options, "allow_nan": False})
