"""`python -m training prepare`: fills the store: phantoms, a site's pairs, vessel levels, Syn-CECTs."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter, uniform_filter

from training.children import end_with_parent
from training.levels import phantom_levels
from training.store import HELD_OUT, StoreError, read_case, write_case
from training.structures import AIRWAY_WALL, airway_wall

MARGIN = 20.0  # mm around the lungs; a little more than the networks' field of view in use
POINTS = 20_000  # crop centres kept per case
ENHANCED = 100.0  # HU of CECT - NCCT

Box = tuple[slice, slice, slice]


def phantom_name(seed: int) -> str:
    return f"phantom-{seed:07d}"


def phantom_source() -> str:
    """Twelve hexadecimal digits of the phantom's source code: which phantom a case was drawn by."""
    from pulmomap import phantom

    files = sorted(Path(phantom.__path__[0]).rglob("*.py"))
    return hashlib.blake2b(b"".join(path.read_bytes() for path in files), digest_size=6).hexdigest()


def draw_case(seed: int, root: Path, spacing: float) -> str:
    """Draw one phantom into the store, unless it is there; returns what happened, for people."""
    from pulmomap.phantom.thorax import draw
    from pulmomap.phantom.truth_files import nodules

    name = phantom_name(seed)
    if (root / name).is_dir():
        read_case(root / name)
        return f"{name} is there"
    phantom = draw(seed, spacing=spacing)
    box = lung_box(np.asarray(phantom.lungs.array), MARGIN / spacing)
    arrays = {key: np.asarray(getattr(phantom, key).array)[box] for key in ("ncct", "vnc", "cect", "vessels", "lungs")}
    labels = np.asarray(phantom.labels.array)[box]
    arrays["levels"] = phantom_levels(labels, arrays["vessels"])
    walls = {AIRWAY_WALL: airway_wall(labels)}
    facts = {
        "source": "phantom",
        "seed": seed,
        "spacing_mm": spacing,
        "affine": phantom.ncct[box].affine.tolist(),  # type: ignore[index]  # the annotation forgets tuples of three
        "drawn_by": phantom_source(),
        "nodules": nodules(phantom),
    }
    write_case(root, name, arrays | walls | crop_centres(arrays, seed), facts)
    return f"{name} {arrays['ncct'].shape}"


def lung_box(lungs: NDArray[np.uint8], margin: float) -> Box:
    """The box around the lungs with a margin in voxels, cut at the volume's border."""
    found = find_objects((lungs > 0).astype(np.uint8))
    if not found:
        raise StoreError("the case has no lungs; it cannot be trained on")
    reach = round(margin)
    cut = [slice(max(s.start - reach, 0), min(s.stop + reach, n)) for s, n in zip(found[0], lungs.shape, strict=True)]
    return cut[0], cut[1], cut[2]


def crop_centres(arrays: dict[str, NDArray[Any]], seed: int) -> dict[str, NDArray[np.int16]]:
    """Where crops should be centred: ``enhanced``, the blood pool and vessels; ``aims``, PA and PV, thin ones as often.

    Returns:
        Two (n, 3) int16 lists of (slice, row, column).
    """
    rng = np.random.default_rng([seed, 1])
    gain = arrays["cect"].astype(np.float32) - arrays["ncct"]
    enhanced = np.argwhere(gaussian_filter(gain, 1.0) > ENHANCED)
    vessels = arrays["vessels"]
    share = uniform_filter((vessels > 0).astype(np.float32), 9)
    aims = []
    for label in (1, 2):
        points = np.argwhere(vessels == label)
        rarity = 1.0 / (share[vessels == label] + 0.01)
        count = min(POINTS // 2, len(points))
        if count:
            aims.append(points[rng.choice(len(points), count, replace=False, p=rarity / rarity.sum())])
    chosen = enhanced[rng.permutation(len(enhanced))[:POINTS]]
    vessel = np.concatenate(aims) if aims else np.empty((0, 3))
    return {"enhanced": chosen.astype(np.int16), "aims": vessel.astype(np.int16)}


def prepare_phantoms(
    seeds: Iterable[int], root: Path, *, spacing: float = 1.0, processes: int = 1, held_out: bool = False
) -> None:
    """Draw every seed that is not in the store yet; can be stopped and started again at any time.

    Args:
        seeds: of the phantoms.
        root: the store.
        spacing: mm.
        processes: phantoms drawn at a time.
        held_out: fill a store for evaluation instead of one for training.

    Raises:
        StoreError: a seed is on the wrong side of the border between training and evaluation.
    """
    wanted = list(seeds)
    check_side(wanted, held_out=held_out)
    root.mkdir(parents=True, exist_ok=True)
    share = max(1, len(os.sched_getaffinity(0)) // processes)
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_begin, initargs=(share,)) as pool:
        for said in pool.map(draw_case, wanted, [root] * len(wanted), [spacing] * len(wanted)):
            print(said, flush=True)


def _begin(threads: int) -> None:
    """Processes that each used every core would wait for each other."""
    import torch

    end_with_parent()
    torch.set_num_threads(threads)


def check_side(seeds: Iterable[int], *, held_out: bool) -> None:
    """Raises StoreError when a seed is on the wrong side of the border between training and evaluation."""
    if wrong := [seed for seed in seeds if (seed >= HELD_OUT) != held_out]:
        use, rule = ("training", "from") if held_out else ("evaluation", "below")
        raise StoreError(f"seed {wrong[0]} is reserved for {use}; take seeds {rule} {HELD_OUT}")


def run(args: argparse.Namespace) -> int:
    """The `prepare` command."""
    if args.kind == "phantoms":
        prepare_phantoms(args.seeds, args.out, spacing=args.spacing, processes=args.processes, held_out=args.held_out)
    elif args.kind == "dicom":
        from training.site import prepare_site
        from training.site_pairs import pairs_by_study, pairs_by_table

        folders = args.non_contrast, args.contrast
        pairs = pairs_by_table(*folders, args.patients) if args.patients else pairs_by_study(*folders)
        prepare_site(pairs, args.out, spacing=args.spacing)
    elif args.kind == "levels":
        from training.levels import add_levels

        add_levels(args.data)
    else:
        from training.synthesise import add_synthesis

        add_synthesis(args.data, args.bundle, threads=args.threads)
    return 0
