"""Columns, comparisons, tables, files and plots of an evaluation, recomputed by hand."""

from __future__ import annotations

import csv
import json
import re
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from tests.training.made_results import made_results, write_results
from training.cohort_plot import Axis
from training.evaluation import paper
from training.evaluation import tables_enhance_gan as gan
from training.evaluation import tables_hipas as hipas
from training.evaluation.boxplots import BOTTOM, HEIGHT, PANELS, TOP, box_plot, plots, whiskers
from training.evaluation.files import write_summary, write_tables
from training.evaluation.results import Results, read_results
from training.evaluation.rows import NCCT, NCCT_VESSELS, SYN, SYN_VESSELS, lower_is_better
from training.evaluation.table import NONE, Table, mean_sd, median_quartiles, p_text

RESULTS = made_results(12)


def tables(results: Results) -> list[Table]:
    enhance = [gan.patients(results), gan.images(results), gan.regions(results), gan.nodules(results)]
    text, both = hipas.printed_text(results), hipas.agreement(results)
    return [*enhance, hipas.dice(results), hipas.tree(results), hipas.detected(results), text, both]


def row_of(table: Table, name: str) -> tuple[str, ...]:
    return next(row for row in table.rows if row[0] == name)


def test_nodules_of_a_patient_are_averaged() -> None:
    column = RESULTS.column("nodules", SYN_VESSELS, "local_dice_pa")
    by_hand = [
        np.mean([one["rows"][SYN_VESSELS]["local_dice_pa"] for one in case["nodules"]]) for case in RESULTS.cases
    ]
    assert np.allclose(column, by_hand)


def test_missing_figures_are_left_out_and_counted() -> None:
    cases = deepcopy(RESULTS.cases)
    cases[0]["nodules"][0]["rows"][SYN_VESSELS]["local_hd95_pa"] = "pred_empty"
    for nodule in cases[1]["nodules"]:
        nodule["rows"][SYN_VESSELS]["local_hd95_pa"] = "both_empty"
    results = Results(cases)
    column = results.column("nodules", SYN_VESSELS, "local_hd95_pa")
    assert column[0] == cases[0]["nodules"][1]["rows"][SYN_VESSELS]["local_hd95_pa"]
    assert np.isnan(column[1])
    assert results.missing("nodules", SYN_VESSELS, "local_hd95_pa") == {"pred_empty": 1, "both_empty": 2}
    assert median_quartiles(column, 2).endswith(" [n = 11]")
    (compared,) = results.compared("nodules", ["local_hd95_pa"]).values()
    assert compared.test.n == 11
    assert compared.test.failures == (1, 0)


def test_p_is_corrected_over_the_table() -> None:
    figures = ["dice_pa", "dice_pv", "hd95_pa"]
    together, alone = RESULTS.compared("segmentation", figures), RESULTS.compared("segmentation", ["dice_pa"])
    p = {key: one.test.p for key, one in together.items()}
    least = min(p, key=lambda key: p[key])
    assert together[least].p_holm == pytest.approx(min(1, 3 * p[least]))
    assert alone["dice_pa"].p_holm == pytest.approx(p["dice_pa"])
    ours, plain = (RESULTS.column("segmentation", row, "dice_pa") for row in (SYN_VESSELS, NCCT_VESSELS))
    assert p["dice_pa"] == pytest.approx(stats.ttest_rel(ours, plain).pvalue)
    assert Results(RESULTS.cases[:2]).compared("segmentation", figures) == {}


@pytest.mark.parametrize("count", [1, 2, 12])
def test_every_table_is_rectangular(count: int) -> None:
    for table in tables(made_results(count)):
        width = 1 + sum(len(group.columns) for group in table.groups)
        assert {len(row) for row in table.rows} == {width}, table.name
        assert all(isinstance(cell, str) and cell for row in table.rows for cell in row), table.name


def test_no_model_row_stands_in_every_table_with_a_method() -> None:
    assert gan.images(RESULTS).rows[0][0] == gan.regions(RESULTS).rows[0][0] == NCCT
    assert hipas.dice(RESULTS).rows[0][0] == hipas.tree(RESULTS).rows[0][0] == NCCT_VESSELS
    assert all(table.groups[0].columns[0] == "NCCT" for table in (gan.nodules(RESULTS), hipas.detected(RESULTS)))


def test_cells_are_ours_beside_the_papers() -> None:
    values = RESULTS.column("synthesis", NCCT, "psnr")
    row = row_of(gan.images(RESULTS), NCCT)
    assert row[1] == f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"
    assert row[3:] == ("28.14 ± 2.22", ".94 ± .03", "26.73 ± 1.88", ".91 ± .06")
    assert row_of(gan.images(RESULTS), SYN)[3] == "27.12 ± 1.35"
    assert row_of(gan.images(RESULTS), "U-Net")[1:4] == (NONE, NONE, "27.00 ± 1.32")
    local = row_of(gan.nodules(RESULTS), "PA LocalDice")
    assert local[-4:] == (".85 (.80, .91)", ".89 (.83, .92)", "-3.401", "<.001")
    assert local[2] == median_quartiles(RESULTS.column("nodules", SYN_VESSELS, "local_dice_pa"), 3)
    whole = row_of(hipas.dice(RESULTS), SYN_VESSELS)
    assert whole[1] == mean_sd(RESULTS.column("segmentation", SYN_VESSELS, "dice_pa"), 1, 100)
    assert row_of(hipas.dice(RESULTS), "HiPaS")[5:] == ("92.2", "90.5", "89.0", "91.6", "89.4", "89.5", "88.3", "88.9")
    assert row_of(gan.patients(RESULTS), "slices (pairs)")[1] == f"{sum(range(301, 313)):,}"


def test_trained_arm_takes_the_place_of_the_papers() -> None:
    cases = deepcopy(RESULTS.cases)
    for case in cases:
        case["synthesis"]["U-Net"] = case["synthesis"][NCCT]
    rows = gan.images(Results(cases)).rows
    assert [row[0] for row in rows].count("U-Net") == 1
    assert row_of(gan.images(Results(cases)), "U-Net")[1] == row_of(gan.images(RESULTS), NCCT)[1]
    assert row_of(gan.images(Results(cases)), "U-Net")[3] == "27.00 ± 1.32"


def test_printed_figures_have_their_columns() -> None:
    """A digit that went astray would be a value out of the range that its column can have."""
    for values in (*paper.HIPAS_DICE.values(), *paper.HIPAS_TREE.values()):
        assert len(values) == 8
        assert all(10 < float(value) < 100 for value in values)
    for key, sets in paper.NODULES.items():
        for ncct, syn, z, _ in sets:
            better = float(syn.split(" ")[0]) - float(ncct.split(" ")[0])
            assert (better < 0) == lower_is_better(key)
            assert -5 < float(z) < -2


def test_p_as_the_papers_write_it() -> None:
    assert [p_text(p) for p in (0.0004, 0.0421, 0.9996, 1.0)] == ["<.001", ".042", "1.000", "1"]


def test_tables_as_files(tmp_path: Path) -> None:
    write_tables(RESULTS, tmp_path)
    sizes = {"images": 12 * 2, "vessels": 12 * 3, "nodules": 12 * 2 * 3}
    for name, lines in sizes.items():
        with (tmp_path / f"{name}.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == lines
    case = RESULTS.cases[0]["nodules"][0]["rows"]
    assert float(rows[0]["local_dice_pa"]) == case[rows[0]["row"]]["local_dice_pa"]


def test_summary_is_what_a_model_card_takes(tmp_path: Path) -> None:
    write_summary(RESULTS, tmp_path)
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["held_out"] == "12 cases"
    assert content["synthesis"][SYN]["psnr"] == pytest.approx(RESULTS.column("synthesis", SYN, "psnr").mean())
    assert content["comparisons"]["segmentation"]["dice_pa"]["n"] == 12
    phantoms = Results(tuple({**case, "case": f"phantom-900000{n}"} for n, case in enumerate(RESULTS.cases[:3])))
    assert write_summary(phantoms, tmp_path)["held_out"] == "3 phantoms, seeds 9000000-9000002"


def test_files_of_the_cases_are_read_back(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path)
    assert read_results(tmp_path, RESULTS.names) == RESULTS
    assert read_results(tmp_path, ["case-03", "nobody"]).names == ["case-03"]


def test_whiskers_are_tukeys() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 30.0])
    low, middle, high = np.percentile(values, [25, 50, 75])
    assert whiskers(values) == (1.0, low, middle, high, 5.0)


def test_box_plot_draws_what_it_says() -> None:
    groups = {"NCCT": np.array([1.0, 2.0, 4.0, np.nan]), "Syn-CECT": np.array([2.0, 3.0, 8.0, 9.0])}
    drawing = ElementTree.fromstring(box_plot("PSNR & more, dB", groups))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    axis = Axis.around(np.array([1.0, 9.0]), HEIGHT - BOTTOM, TOP)
    dots = [float(one.attrib["cy"]) for one in drawing.iter(f"{space}circle")]
    assert dots == pytest.approx([axis.place(value) for value in (1, 2, 4, 2, 3, 8, 9)], abs=0.06)
    assert len(list(drawing.iter(f"{space}polyline"))) == 3
    words = " ".join(one.text or "" for one in drawing.iter(f"{space}text"))
    assert "PSNR & more, dB" in words
    assert re.findall(r"n = \d", words) == ["n = 3", "n = 4"]
    assert "NCCT median 2" in drawing.attrib["aria-label"]


def test_plots_of_figures_that_nobody_has_are_left_out() -> None:
    assert {heading: len(drawn) for heading, drawn in plots(RESULTS).items()} == {
        heading: len(panels) for heading, panels in PANELS.items()
    }
    bare = Results(tuple({**case, "nodules": []} for case in RESULTS.cases))
    assert "Within 50 mm around the nodules" not in plots(bare)
