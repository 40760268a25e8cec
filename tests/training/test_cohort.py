"""The anatomical study: planted coefficients are found again, and a wrong table is refused by line and column."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pulmomap.metrics.regression import regress
from training.__main__ import main
from training.cohort import study
from training.cohort_plot import COLOURS, MARGINS, SIZE, Axis, Panel, axes, draw, legend
from training.cohort_table import DISEASES, Patient, TableError, read

Row = dict[str, str]


def cohort(n: int = 400, seed: int = 3) -> list[Row]:
    """Made with the published effects: 3,000 voxels a litre, men 800 fewer, cardiomegaly 172 more."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        male, age = int(rng.random() < 0.55), rng.uniform(40, 70)
        lung = rng.normal(4.6 + 1.2 * male, 0.7)
        flags = {disease: int(rng.random() < 0.2) for disease in DISEASES}
        slpa = 500 + 3000 * lung - 800 * male - 5 * age + 172 * flags["cardiomegaly"] + rng.normal(0, 100)
        values = {
            "patient": f"P{i:04d}",
            "sex": "FM"[male],
            "age_years": f"{age:.1f}",
            "lung_volume_l": f"{lung:.3f}",
            "slpa": f"{slpa:.0f}",
            "slpv": f"{0.8 * slpa + rng.normal(0, 300):.0f}",
            "bcpa": f"{slpa / 8 + rng.normal(0, 60):.0f}",
            "bcpv": f"{slpa / 9 + rng.normal(0, 60):.0f}",
        }
        rows.append({**values, **{name: str(flag) for name, flag in flags.items()}})
    return rows


def write(path: Path, rows: list[Row], columns: list[str] | None = None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns or list(rows[0]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def results(out: Path) -> dict[tuple[str, str], Row]:
    with (out / "regression.csv").open(newline="") as stream:
        return {(row["index"], row["predictor"]): row for row in csv.DictReader(stream)}


def test_planted_effects_are_found(tmp_path: Path) -> None:
    study(write(tmp_path / "cohort.csv", cohort()), tmp_path / "out")
    found = results(tmp_path / "out")
    assert len(found) == 4 * 10
    for predictor, effect in (("lung_volume_l", 3000), ("male", -800), ("age_years", -5), ("cardiomegaly", 172)):
        row = found["slpa", predictor]
        assert abs(float(row["coefficient"]) - effect) < 4 * float(row["se"])
        assert float(row["p"]) < 0.001
    assert float(found["slpa", "male"]["r2"]) > 0.99


def test_figures_are_those_of_a_direct_fit_in_any_order_of_columns(tmp_path: Path) -> None:
    rows = cohort(60)
    study(write(tmp_path / "a.csv", rows), tmp_path / "a")
    study(write(tmp_path / "b.csv", rows[::-1], sorted(rows[0])), tmp_path / "b")
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name not in ("patient", "sex")}
    male = np.array([float(row["sex"] == "M") for row in rows])
    predictors = {"male": male, **{n: numbers[n] for n in ("lung_volume_l", "age_years", *DISEASES)}}
    fit = regress(numbers["bcpv"], predictors)
    for out in (tmp_path / "a", tmp_path / "b"):
        row = results(out)["bcpv", "copd"]
        assert float(row["coefficient"]) == pytest.approx(fit["copd"].value)
        assert (float(row["low"]), float(row["high"])) == pytest.approx(fit["copd"].interval)
        assert float(row["p"]) == pytest.approx(fit["copd"].p)


def test_holm_covers_the_diseases_alone(tmp_path: Path) -> None:
    study(write(tmp_path / "cohort.csv", cohort(120)), tmp_path / "out")
    found = results(tmp_path / "out")
    corrected = {key: row for key, row in found.items() if row["p_holm"]}
    assert set(corrected) == {(index, d) for index in ("slpa", "slpv", "bcpa", "bcpv") for d in DISEASES}
    least = min(corrected.values(), key=lambda row: float(row["p"]))
    assert float(least["p_holm"]) == pytest.approx(min(1, 24 * float(least["p"])))


def test_incomplete_patients_and_constant_flags_are_said(tmp_path: Path) -> None:
    rows = cohort(50)
    for row in rows:
        row["embolism"] = "0"
    rows[4]["age_years"], rows[9]["copd"] = "", " "
    study(write(tmp_path / "cohort.csv", rows), tmp_path / "out")
    text = (tmp_path / "out" / "regression.md").read_text(encoding="utf-8")
    assert "48 patients; 2 more left out for an empty cell." in text
    assert "over the 20 tests of diseases" in text
    assert "Left out, the same for every patient: embolism." in text
    assert "| embolism |" not in text
    assert text.count("| copd |") == 4
    assert "P0004" not in text


def damaged(line: int, column: str, value: str) -> list[Row]:
    rows = cohort(30)
    rows[line - 2][column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (damaged(5, "age_years", "fifty"), "line 5, column age_years: Input should be a valid number"),
        (damaged(7, "sex", "male"), "line 7, column sex: Input should be 'M' or 'F'"),
        (damaged(9, "lung_volume_l", "4600"), "line 9, column lung_volume_l: .*less than or equal to 15"),
        (damaged(4, "copd", "2"), "line 4, column copd: Input should be '0' or '1'"),
        (damaged(4, "slpa", "nan"), "line 4, column slpa: Input should be a finite number"),
        (damaged(4, "patient", ""), "line 4, column patient: Input should be a valid string"),
        (damaged(6, "patient", "P0001"), "lines 3 and 6 are the same patient"),
        (cohort(5), "5 subjects do not determine"),
        ([{**row, "copd": ""} for row in cohort(20)], "none of the 20 patients has a value in every column"),
        ([{**row, "smoker": "1"} for row in cohort(20)], "columns unknown: smoker"),
        ([{k: v for k, v in row.items() if k not in ("pah", "slpv")} for row in cohort(20)], "missing: slpv, pah$"),
    ],
)
def test_wrong_table_is_refused(tmp_path: Path, rows: list[Row], words: str) -> None:
    with pytest.raises(TableError, match=words) as error:
        study(write(tmp_path / "cohort.csv", rows), tmp_path / "out")
    assert "P00" not in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_ragged_repeated_and_empty_tables_are_refused(tmp_path: Path) -> None:
    table = write(tmp_path / "cohort.csv", cohort(3))
    good = table.read_text()
    table.write_text(good + "P9,M,50\n")
    with pytest.raises(TableError, match="line 5: 3 cells under 14 columns"):
        read(table)
    table.write_text(good.replace("patient,sex", "patient,sex,sex", 1))
    with pytest.raises(TableError, match="columns repeated: sex"):
        read(table)
    table.write_text(good.splitlines()[0] + "\n")
    with pytest.raises(TableError, match="holds no patient"):
        read(table)
    table.write_text("")
    with pytest.raises(TableError, match="missing: patient, sex"):
        read(table)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.csv")


def test_byte_order_mark_of_a_spreadsheet_is_no_column(tmp_path: Path) -> None:
    table = write(tmp_path / "cohort.csv", cohort(3))
    table.write_text(table.read_text() + "\n", encoding="utf-8-sig")
    assert [patient.patient for patient in read(table)] == ["P0000", "P0001", "P0002"]


def test_every_column_is_described() -> None:
    assert all(field.description for field in Patient.model_fields.values())
    assert all(field.is_required() for field in Patient.model_fields.values())


def test_dots_lie_where_their_values_say() -> None:
    """One woman at (2, 10), one man at (6, 30): two points span the axes with 5 % to spare."""
    one, other = (np.array([2.0]), np.array([10.0])), (np.array([6.0]), np.array([30.0]))
    panel = Panel("index", "litres", {"F": one, "M": other})
    pixels = np.asarray(draw([panel]).crop((0, 0, *SIZE))).astype(int)
    left, top, right, bottom = MARGINS
    width, height = SIZE[0] - left - right, SIZE[1] - top - bottom
    for colour, share in zip(COLOURS, (1 / 22, 21 / 22), strict=True):
        rows, columns = np.nonzero((pixels == colour).all(axis=-1))
        inside = rows > top  # the legend above has the same colour
        assert columns[inside].mean() == pytest.approx(left + share * width, abs=1)
        assert rows[inside].mean() == pytest.approx(SIZE[1] - bottom - share * height, abs=1)


def test_lines_have_the_slope_they_say() -> None:
    x = np.array([1.0, 2.0, 3.0, 5.0])
    panel = Panel("index", "litres", {"F": (x, 4 * x + 1)})
    assert legend("F", panel.groups["F"]).startswith("F: n = 4, slope 4 ± ")
    assert legend("F", (x[:2], x[:2])) == "F: n = 2"
    x_axis, y_axis = axes(panel)
    colour = Image.Image.getpixel(draw([panel]), (round(x_axis.place(4)), round(y_axis.place(17))))
    assert colour == COLOURS[0]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (8123.0, 21007.0), (3.11, 3.12), (-5, 5), (2, 2)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    axis = Axis.around(np.array([low, high]), 0, 100)
    ticks = axis.ticks()
    assert 4 <= len(ticks) <= 11
    assert axis.low <= ticks[0] <= ticks[-1] <= axis.high
    step = ticks[1] - ticks[0]
    mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(mantissa - round_) for round_ in (1, 2, 5)) < 1e-6
    assert axis.place(low) >= 0
    assert axis.place(high) <= 100


def test_study_draws_four_panels(tmp_path: Path) -> None:
    study(write(tmp_path / "cohort.csv", cohort(40)), tmp_path / "out")
    with Image.open(tmp_path / "out" / "scatter.png") as picture:
        assert picture.size == (2 * SIZE[0], 2 * SIZE[1])
        assert "text" not in picture.info


def test_study_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write(tmp_path / "cohort.csv", cohort(40))
    assert main(["cohort", str(table), "--out", str(tmp_path / "out")]) == 0
    assert {Path(line).name for line in capsys.readouterr().out.split()} == {"regression.md", "scatter.png"}
    table.write_text("patient,sex\n")
    assert main(["cohort", str(table), "--out", str(tmp_path / "out")]) == 2
    assert "columns missing: age_years" in capsys.readouterr().err
