"""``python -m app -i STUDY -o OUT -m models``.

Only the command line is read here, so that ``--help`` and a wrong option are answered at once; everything heavy is
imported by :mod:`app.run`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pulmomap import __version__

EXIT_CODES = """exit codes:
  0  every suitable series was processed
  1  something failed (manifest.json says what)
  2  wrong usage or settings; nothing was done
  3  nothing suitable in the input (manifest.json says why)
"""


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line. The defaults are those of a MAP: the ``HOLOSCAN_*`` environment variables."""
    environment = os.environ.get
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="PulmoMAP: non-contrast chest CT in; synthetic contrast CT, artery/vein map, perinodular "
        "measurements and report out. Research software: not for clinical use.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-i", "--input", type=Path, default=environment("HOLOSCAN_INPUT_PATH"), help="folder with DICOM, any structure")
    add("-o", "--output", type=Path, default=environment("HOLOSCAN_OUTPUT_PATH"), help="folder for the results")
    add(
        "-m",
        "--models",
        type=Path,
        default=environment("HOLOSCAN_MODEL_PATH", "models"),
        help="folder with the model bundles (default: models)",
    )
    add(
        "-c",
        "--config",
        type=Path,
        default=environment("HOLOSCAN_CONFIG_PATH"),
        help="settings (default: the app.yaml beside the app)",
    )
    add(
        "-n",
        "--nodule",
        action="append",
        nargs="+",
        type=float,
        default=[],
        metavar="MM",
        help="a nodule's centre X Y Z in patient coordinates (LPS, mm) and optionally its diameter; repeatable",
    )
    add("-l", "--log-level", choices=["DEBUG", "INFO", "WARNING", "ERROR"], type=str.upper, default=None)
    add("--version", action="version", version=f"PulmoMAP {__version__}")
    arguments = parser.parse_args(argv)
    for name in ("input", "output"):
        if getattr(arguments, name) is None:
            parser.error(f"--{name} is required (or HOLOSCAN_{name.upper()}_PATH)")
        setattr(arguments, name, Path(getattr(arguments, name)))
    for nodule in arguments.nodule:
        if len(nodule) not in (3, 4):
            parser.error(f"--nodule takes X Y Z [DIAMETER], not {len(nodule)} numbers")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Run the app and return its exit code."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    from app.run import run  # heavy: imported once the arguments are known to be right

    return run(arguments)


if __name__ == "__main__":
    from app.process import ensure_stack

    ensure_stack()
    sys.exit(main())
