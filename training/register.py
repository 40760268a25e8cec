"""`python -m training register`: one chest CT of a patient brought onto another, with what is to be said against it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import nibabel
import numpy as np
from highdicom import Volume

from pulmomap.imaging.registration.errors import RegistrationError
from pulmomap.imaging.registration.register import register
from pulmomap.imaging.registration.report import REPORT, save
from training.evaluation.reading import on_grid_of, read_nifti, read_scan
from training.registering import PairError, read_landmarks
from training.site_pairs import NON_CONTRAST_RULES

DOUBTED = 1
"""Exit code of a registration that is not to be believed; its files are written all the same."""


def run(args: argparse.Namespace) -> int:
    """Register, write transform, report, moved scan and labels; 1 where the result is doubted."""
    # Either may be the one with contrast; these rules take both.
    (fixed, _), (moving, _) = (read_scan(path, NON_CONTRAST_RULES) for path in (args.fixed, args.moving))
    labels = on_grid_of(read_nifti(args.labels), moving, "label map") if args.labels else None
    landmarks = read_landmarks(args.landmarks) if args.landmarks else None
    try:
        found = register(fixed, moving, landmarks=landmarks)
    except RegistrationError as error:
        raise PairError(str(error)) from error
    args.out.mkdir(parents=True, exist_ok=True)
    report = save(found, args.out, landmarks)
    _write(found.transform.image(moving, fixed), args.out / "moved.nii.gz")
    if labels is not None:
        whole = labels.with_array(np.rint(np.asarray(labels.array)).astype(np.int16))
        _write(found.transform.labels(whole, fixed), args.out / "labels.nii.gz")
    print(json.dumps(report, indent=1))
    for doubt in report["doubts"]:
        print(f"training: not to be believed: {doubt} ({args.out / REPORT})", file=sys.stderr)
    return DOUBTED if report["doubts"] else 0


def _write(volume: Volume, path: Path) -> None:
    """NIfTI; HU as whole numbers."""
    array = np.asarray(volume.array)
    whole = volume.with_array(np.rint(array).astype(np.int16))
    partial = path.with_name(f".partial-{path.name}")
    nibabel.save(whole.to_nibabel(), partial)
    partial.replace(path)
