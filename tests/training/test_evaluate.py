from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pulmomap.case import ModelIdentity, Ncct, SynCect
from training.evaluate import comparisons, held_out_cases, means, measure
from training.recipe import RecipeError
from training.store import HELD_OUT, Case

NOBODY = ModelIdentity("none", "0.0.0", "0" * 64, "nothing")


@pytest.fixture
def held_out(make_case: Callable[[str, int], Case]) -> list[Case]:
    return [make_case(f"phantom-{seed}", seed) for seed in (HELD_OUT, HELD_OUT + 1)]


def nothing_added(ncct: Ncct) -> SynCect:
    return SynCect(ncct, ncct.volume.with_array(np.asarray(ncct.volume.array).astype(np.int16)), NOBODY)


def bright_is_vessel(syn: SynCect) -> np.ndarray:
    """Finds a vessel wherever the second channel is enhanced, an artery in the front half and a vein behind."""
    found = (np.asarray(syn.volume.array) > 200).astype(np.uint8)
    found[:, 20:] *= 2
    return found


def test_every_row_measures_what_it_names(held_out: list[Case]) -> None:
    rows = means(measure(held_out, nothing_added, bright_is_vessel))
    assert rows["synthesis"]["Syn-CECT"] == rows["synthesis"]["no model (NCCT)"]
    assert rows["synthesis"]["no model (NCCT)"]["vessel_mae"] == pytest.approx(300, abs=3)
    assert rows["segmentation"]["no model (NCCT twice)"]["sensitivity"] == 0
    assert rows["segmentation"]["NCCT + true CECT"]["dice_pa"] == 1
    assert rows["segmentation"]["NCCT + true CECT"]["dice_pv"] == 1


def test_a_case_that_may_have_been_trained_on_is_refused(store: Path) -> None:
    with pytest.raises(RecipeError, match="may have been trained on"):
        held_out_cases(store)


def test_comparisons_need_three_patients_and_say_which_arm_is_better() -> None:
    def patients(count: int) -> dict[str, dict[str, list[dict[str, float]]]]:
        plain = [{"vessel_mae": 200.0 + number**2} for number in range(count)]
        ours = [{"vessel_mae": 50.0 + number} for number in range(count)]
        dice = [{"dice_pa": 0.5 + 0.01 * number} for number in range(count)]
        better = [{"dice_pa": 0.7 + 0.012 * number} for number in range(count)]
        return {
            "synthesis": {"no model (NCCT)": plain, "Syn-CECT": ours},
            "segmentation": {"no model (NCCT twice)": dice, "NCCT + Syn-CECT": better},
        }

    assert comparisons(patients(2)) == {"synthesis": {}, "segmentation": {}}
    found = comparisons(patients(12))
    assert found["synthesis"]["vessel_mae"]["difference"] < -140
    assert found["segmentation"]["dice_pa"]["difference"] == pytest.approx(0.211, abs=0.01)
    assert found["synthesis"]["vessel_mae"]["p"] < 0.01
    assert found["synthesis"]["vessel_mae"]["interval"][1] < 0
