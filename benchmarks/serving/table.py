"""The result of benchmarks/serve.py as text."""

from __future__ import annotations

from typing import Any

from benchmarks.result import heading


def text(result: dict[str, Any]) -> str:
    """A line a server and load, then the ceiling, what agreed, what is missing, the ratios."""
    lines = [heading(result), ""]
    for row in result["clients"]:
        lines.append(
            f"{row['clients']} clients: pictures/s [min, max], p50 ms, p99 ms, CPU s a thousand, "
            "generator cores, peak MB, n, errors"
        )
        for name, one in row["servers"].items():
            rate = one["pictures_per_s"]
            lines.append(
                f"  {name:<15} {rate['median']:>7.1f} [{rate['min']:.1f}, {rate['max']:.1f}]  "
                f"{one['p50_ms']:>8.1f} {one['p99_ms']:>8.1f} {one['cpu_s_a_thousand']:>7.1f} "
                f"{one['generator_cores']:>6.2f} {one['peak_rss_mb']:>6} {one['n']:>6} "
                f"{one['errors']:>4}"
            )
    lines += [f"ceiling {name}: {one}" for name, one in result["ceiling"].items()]
    lines += [
        f"same top-1 as ours fp32, {name}: {share}" for name, share in result["same_top1"].items()
    ]
    lines += [f"missing: {name}: {reason}" for name, reason in result["missing"].items()]
    lines += [f"{name}: {value:.2f}" for name, value in result["ratios"].items()]
    return "\n".join(lines) + "\n"
