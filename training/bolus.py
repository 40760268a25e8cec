"""`python -m training bolus SERIES --out DIR`: a case with real anatomy and real truth, from one contrast CT.

The two circulations are told apart by their bolus timing, and the contrast is taken out of the blood: a pair of NCCT
and CECT with artery and vein labels, as NIfTI. With `--models` the networks run on that NCCT as the application runs
them, and are measured against what the timing says. Meant for judging; nothing here is training data by itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from highdicom import Volume
from numpy.typing import NDArray
from PIL import Image

from pulmomap.case import Ncct
from pulmomap.dicom.index import index_folder
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.rules import SelectionRules
from pulmomap.dicom.selection import select
from pulmomap.imaging.bolus_timing import ARTERY, UNDECIDED, VEIN, BolusReference, NoTiming, tell_apart
from pulmomap.imaging.deenhance import de_enhanced
from pulmomap.imaging.lungs import lung_mask
from pulmomap.imaging.resampling import canonical
from pulmomap.metrics.image import psnr
from pulmomap.staging import write_atomically

NAMES = {"pulmonary_artery": ARTERY, "pulmonary_vein": VEIN, "undecided_blood": UNDECIDED}


class BolusError(ValueError):
    """The series cannot be used; the message says why."""


def run(args: argparse.Namespace) -> int:
    """The `bolus` command."""
    chosen = select(index_folder(args.series), SelectionRules(refuse_contrast_tags=False)).selected
    if len(chosen) != 1:
        raise BolusError(f"{args.series} holds {len(chosen)} usable chest CT series; give the folder of one")
    cect = canonical(read_volume(chosen[0]))
    lungs = lung_mask(cect)
    try:
        reference = tell_apart(cect, lungs)
    except NoTiming as error:
        raise BolusError(f"{args.series}: {error}") from error
    plain = de_enhanced(cect, lungs, reference)
    ncct = Ncct(chosen[0], plain, lungs.mask)
    facts = described(reference, cect)
    volumes = {"cect": cect, "ncct": plain, "labels": cect.with_array(reference.labels)}
    found = None
    if args.models is not None:
        syn, found = run_networks(ncct, args.models)
        facts |= judged(reference, cect, plain, syn, found)
        volumes |= {"syn_cect": cect.with_array(syn), "found": cect.with_array(found)}
    args.out.mkdir(parents=True, exist_ok=True)
    for name, volume in volumes.items():
        nibabel.save(volume.to_nibabel(), args.out / f"{name}.nii.gz")
    picture(cect, plain, reference, found).save(args.out / "overview.png")
    write_atomically(args.out / "labels.json", json.dumps(NAMES, indent=1).encode())
    write_atomically(args.out / "bolus.json", json.dumps(facts, indent=1).encode())
    print(json.dumps(facts, indent=1))
    return 0


def described(reference: BolusReference, cect: Volume) -> dict[str, Any]:
    """What the timing gave: HU of the circulations, ml of each label."""
    ml = float(np.prod(cect.spacing)) / 1000
    counts = np.bincount(reference.labels.ravel(), minlength=4)
    return {
        "artery_hu": round(reference.artery, 1),
        "vein_hu": round(reference.vein, 1),
        "atrium_hu": round(reference.atrium, 1),
        "aorta_hu": round(reference.aorta, 1),
        "spread_hu": round(reference.spread, 1),
        "reference_ml": {name: round(float(counts[value]) * ml, 2) for name, value in NAMES.items()},
    }


def judged(
    reference: BolusReference, cect: Volume, plain: Volume, syn: NDArray[np.generic], found: NDArray[np.uint8]
) -> dict[str, Any]:
    """The networks against the reference.

    Returns:
        accuracy: of the reference voxels that were found as vessel, those with the right class; found: of all reference
        voxels, those found as vessel; balanced: the mean of the accuracies within arteries and within veins. psnr and
        mae_blood (HU, over arteries and veins) of NCCT ("no_model") and Syn-CECT against the scan.
    """
    decided = (reference.labels == ARTERY) | (reference.labels == VEIN)
    seen = decided & (found > 0)
    right = {value: float((found[seen & (reference.labels == value)] == value).mean()) for value in (ARTERY, VEIN)}
    true = np.asarray(cect.array, dtype=np.float32)
    images = {"no_model": np.asarray(plain.array, dtype=np.float32), "syn_cect": np.asarray(syn, dtype=np.float32)}
    return {
        "accuracy": round(float((found[seen] == reference.labels[seen]).mean()), 4),
        "accuracy_artery": round(right[ARTERY], 4),
        "accuracy_vein": round(right[VEIN], 4),
        "balanced": round((right[ARTERY] + right[VEIN]) / 2, 4),
        "found": round(float(seen.sum() / decided.sum()), 4),
        "psnr": {name: round(float(psnr(image, true).value), 2) for name, image in images.items()},
        "mae_blood": {name: round(float(np.abs(image - true)[decided].mean()), 1) for name, image in images.items()},
    }


def run_networks(ncct: Ncct, models: Path) -> tuple[NDArray[np.generic], NDArray[np.uint8]]:
    """Syn-CECT (HU) and vessel labels of a scan by the bundles of a folder, on the scan's grid."""
    from pulmomap.inference.segmentation import open_vessel_model, segment
    from pulmomap.inference.synthesis import open_contrast_model, synthesise

    syn = synthesise(ncct, open_contrast_model(models / "contrast_synthesis"))
    vessels = segment(syn, open_vessel_model(models / "vessel_segmentation"))
    return np.asarray(syn.volume.array), np.asarray(vessels.labels.array)


def picture(cect: Volume, plain: Volume, reference: BolusReference, found: NDArray[np.uint8] | None) -> Image.Image:
    """Eight slices across the hila: the scan, the scan without contrast, the reference, and what was found."""
    where = np.flatnonzero(np.isin(reference.labels, (ARTERY, VEIN)).any(axis=(1, 2)))
    rows = []
    for index in np.linspace(where[0], where[-1], 8).astype(int):
        grey = [grey_of(np.asarray(volume.array[index])) for volume in (cect, plain)]
        tiles = [np.stack([one] * 3, axis=-1) for one in grey]
        shown = [labels for labels in (reference.labels, found) if labels is not None]
        tiles += [painted(grey[1], labels[index]) for labels in shown]
        rows.append(np.concatenate(tiles, axis=1)[::2, ::2])
    return Image.fromarray(np.concatenate(rows))


def grey_of(hu: NDArray[np.generic]) -> NDArray[np.uint8]:
    """HU to grey: -160 to 440."""
    return np.asarray(np.clip((hu.astype(np.float32) + 160) / 600 * 255, 0, 255), dtype=np.uint8)


def painted(grey: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey slice with its labels on it, RGB."""
    tile = np.stack([grey] * 3, axis=-1)
    # The atlas convention: arteries carry blue blood, veins red.
    for value, colour in ((ARTERY, (70, 110, 255)), (VEIN, (255, 60, 60)), (UNDECIDED, (90, 140, 90))):
        tile[labels == value] = colour
    return tile
