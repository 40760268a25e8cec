"""``python -m gateway run | check | status | dead-letters | resubmit``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXIT_CODES = """exit codes:
  0  done (run: stopped in an orderly way)
  1  something is wrong; one sentence says what
  2  wrong usage or settings
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m gateway",
        description="The worker between an Orthanc server and the app. Research software: not for clinical use.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-c", "--config", type=Path, default=None, help="settings file (default: none, all defaults)")
    verbs = top.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", parents=[common], help="work until stopped (SIGTERM)")
    verbs.add_parser("check", parents=[common], help="say whether Orthanc, targets, app and disk are ready")
    verbs.add_parser("status", parents=[common], help="count the jobs by state")
    verbs.add_parser("dead-letters", parents=[common], help="list the jobs that were given up, and why")
    again = verbs.add_parser("resubmit", parents=[common], help="process series again")
    again.add_argument("series", nargs="*", help="Orthanc ids of series, as dead-letters prints them")
    again.add_argument("--all-dead", action="store_true", help="every job among the dead letters")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run a verb and return the exit code."""
    arguments = parser().parse_args(argv)
    if arguments.verb == "resubmit" and bool(arguments.series) == arguments.all_dead:
        parser().error("resubmit takes Orthanc ids of series, or --all-dead")
    from gateway import verbs  # heavy: imported once the arguments are known to be right

    return verbs.perform(arguments)


if __name__ == "__main__":
    sys.exit(main())
