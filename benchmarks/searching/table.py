"""The result as a table."""

from __future__ import annotations

from typing import Any

_COLUMNS = (
    ("engine", 20),
    ("p50 ms", 8),
    ("p99 ms", 8),
    ("cold p50", 9),
    ("1/s", 7),
    ("8/s", 7),
    ("32/s", 7),
    ("recall", 7),
    ("anon MB", 8),
    ("RSS MB", 8),
    ("disk MB", 8),
    ("inserts/s", 10),
    ("finish s", 9),
    ("reopen s", 9),
)


def table(result: dict[str, Any]) -> str:
    """Lines for a terminal: one an engine, and what it was measured on."""
    machine, features = result["machine"], result["features"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"Python {machine['python']}, "
        + ", ".join(f"{name} {number}" for name, number in sorted(result["versions"].items())),
        f"{result['pictures']:,} pictures, {result['queries']} queries, features "
        f"{features['source']}; load of the machine before: {machine['load_before']:.1f}",
        "",
        "".join(f"{name:>{width}}" for name, width in _COLUMNS),
    ]
    for name, row in result["engines"].items():
        lines.append(f"{name:>20}  {row['failed']}" if "failed" in row else _line(name, row))
    lines.append("")
    for name, row in result["engines"].items():
        if "failed" not in row:
            lines.append(f"{name:>20}  stored when it answers: {row['durable']}")
        for beside in row.get("inserts_beside", ()):
            lines.append(
                f"{name:>20}  {beside['inserts_per_s']:,} inserts/s beside {beside['clients']} "
                f"clients that search {beside['searches_per_s']:.0f}/s (pauses of "
                f"{beside['pause_s']:g} s), p50 {beside['p50_ms']} ms, p99 {beside['p99_ms']} ms; "
                f"{row['memory_mb']['beside']} MB then"
            )
    return "\n".join(lines) + "\n"


def _line(name: str, row: dict[str, Any]) -> str:
    rates = [f"{one['per_s']:.0f}" for one in row["at_once"]]
    cells = [
        name,
        f"{row['alone']['p50_ms']:.1f}",
        f"{row['alone']['p99_ms']:.1f}",
        f"{row['cold']['p50_ms']:.1f}",
        *rates,
        f"{row['recall_at_10']:.4f}",
        f"{row['memory_mb']['anonymous']:,}",
        f"{row['memory_mb']['resident']:,}",
        f"{row['disk_mb']:,}",
        f"{row['inserts_per_s']:,}",
        f"{row['finish_s']:.1f}",
        f"{row['reopen_s']:.2f}",
    ]
    return "".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
