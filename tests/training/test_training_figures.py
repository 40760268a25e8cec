from __future__ import annotations

from training.figures import comparison_table, table


def test_comparisons_are_one_row_a_figure() -> None:
    row = {"difference": -12.34, "interval": (-20.0, -5.0), "test": "paired t", "p": 0.0123, "n": 9}
    assert "| vessel_mae | -12.3 | -20.0 to -5.0 | paired t | 0.0123 | 9 |" in comparison_table({"vessel_mae": row})


def test_the_table_has_a_dash_where_a_method_has_no_figure() -> None:
    text = table({"no model": {"psnr": 27.126}, "shipped": {"psnr": 33.0, "dice_pa": 0.91}})
    assert "| no model | 27.1 | - |" in text
    assert "| shipped | 33.0 | 0.910 |" in text
