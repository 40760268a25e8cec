"""Figures as Markdown tables, for terminals and model cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A Markdown table, one row a method, one column a figure; '-' where a method has no such figure."""
    columns = list(dict.fromkeys(key for figures in rows.values() for key in figures))
    lines = ["| method | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for method, figures in rows.items():
        cells = [_cell(key, figures[key]) if key in figures else "-" for key in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def comparison_table(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of paired comparisons, one row a figure."""
    lines = ["| figure | difference | 95 % interval | test | p (Holm) | n |", "|---" * 6 + "|"]
    for key, row in compared.items():
        low, high = (_cell(key, value) for value in row["interval"])
        difference = _cell(key, row["difference"])
        lines.append(f"| {key} | {difference} | {low} to {high} | {row['test']} | {row['p']:.3g} | {row['n']} |")
    return "\n".join(lines)


def _cell(key: str, value: float) -> str:
    return f"{value:.1f}" if "hd95" in key or key.endswith(("psnr", "mae")) else f"{value:.3f}"
