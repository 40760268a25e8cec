"""`python -m training phantom`: draws one phantom patient as DICOM, with its truth."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("phantom", help="draw a phantom patient as DICOM with its truth")
    parser.add_argument(
        "--seed", type=int, required=True, help="selects the patient; the same seed gives the same bytes"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write; replaced if it is there")
    parser.add_argument(
        "--spacing", type=float, nargs="+", default=[1.0], metavar="MM", help="one, or X Y Z (default 1)"
    )
    parser.add_argument("--scanner", choices=["soft", "standard", "lung"], default=None, help="reconstruction kernel")
    parser.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="FINDING",
        help="add a finding (emphysema, effusion, mass, device, arms-down, ...); no-FINDING takes it away; repeatable",
    )
    parser.add_argument("--no-breathing", action="store_true", help="leave out the scan at another breath level")
    parser.add_argument("--nnunet", type=Path, help="add the phantom to this nnU-Net raw dataset too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw and write; the folder appears when it is whole."""
    from pulmomap.phantom.export import write_study
    from pulmomap.phantom.findings import SWITCHES
    from pulmomap.phantom.thorax import breathe, draw
    from training.nnunet.dataset import add_case
    from training.prepare import phantom_name

    if len(args.spacing) not in (1, 3) or min(args.spacing) <= 0:
        print("phantom: --spacing takes one positive number of mm, or three")
        return 2
    for switch in args.switch:
        if switch.removeprefix("no-") not in SWITCHES:
            print(f"phantom: there is no finding {switch!r}; choose from {', '.join(SWITCHES)}, or no- before one")
            return 2
    spacing = args.spacing[0] if len(args.spacing) == 1 else args.spacing
    phantom = draw(args.seed, spacing, kernel=args.scanner, switches=args.switch)
    breathing = None if args.no_breathing else breathe(phantom.body, spacing, kernel=args.scanner)
    partial = args.out.with_name(f".{args.out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_study(phantom, partial, breathing)
    shutil.rmtree(args.out, ignore_errors=True)
    partial.replace(args.out)
    if args.nnunet:
        images = {"NCCT": phantom.ncct, "CECT": phantom.cect}
        add_case(args.nnunet, phantom_name(args.seed), images, phantom.vessels)
    print(f"phantom {args.seed}: {len(phantom.nodules)} nodules, {args.out}")
    return 0
