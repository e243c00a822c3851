"""The tables of speed: each number is the one that was measured (benchmarks/results)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text()
README = (ROOT / "README.md").read_text()


def result(name: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text()))


def rates(size: int, ms: dict[str, float]) -> str:
    """Pictures a second: the median, and the slowest and the fastest round."""
    median, slowest, fastest = (1000 * size / ms[part] for part in ("median", "max", "min"))
    return f"{median:.0f} ({slowest:.0f} to {fastest:.0f})"


def test_the_engine_alone() -> None:
    engine = result("engine")
    for name, way in engine["ways"].items():
        cells = [rates(row["size"], row["ms"][name]) for row in engine["batches"]]
        assert f"| {way['precision']} | {' | '.join(cells)} |" in PERFORMANCE
    for value, shown in zip(engine["ratios"].values(), ("{:.2f}", "{:.1f}", "{:.1f}"), strict=True):
        assert f"{shown.format(value)} times" in PERFORMANCE


def test_over_http() -> None:
    (busiest,) = (row["servers"] for row in result("serve")["clients"] if row["clients"] == 32)
    for one in busiest.values():
        per_s = one["pictures_per_s"]
        row = f"| {per_s['median']:.0f} ({per_s['min']:.0f} to {per_s['max']:.0f}) | "
        assert f"{row}{one['p50_ms']:.0f} | {one['p99_ms']:.0f} |" in PERFORMANCE
        assert f"| {per_s['median']:.0f} | {one['p50_ms']:.0f} |" in README


def test_decoding() -> None:
    decode = result("decode")
    assert f"Pillow takes {decode['ours_over_pillow']:.2f} times as long" in PERFORMANCE


def test_towers_beside_single() -> None:
    for row in result("towers")["batches"]:
        median = row["median_ms"]
        assert (
            f"| {row['size']} | {median['single']:.1f} | {median['towers']:.1f} | "
            f"{row['towers_over_single']:.2f} |" in PERFORMANCE
        )


def test_a_real_triton() -> None:
    triton = result("triton")
    for row in [*triton["triton"], triton["in_process_one_at_a_time"]]:
        assert (
            f"| {row['name']} | {row['n']} | {row['median_ms']:.1f} | {row['p99_ms']:.1f} | "
            f"{row['pictures_per_s']:.1f} |" in PERFORMANCE
        )


def test_what_a_newcomer_waits_for() -> None:
    newcomer = result("newcomer")
    assert f"a folder of {newcomer['scored_photos']} photos" in README
    for step, spent_s in newcomer["seconds"].items():
        assert f"| {step} | {spent_s:.{0 if spent_s >= 1 else 1}f} |" in README
