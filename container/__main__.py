"""``python -m container build|check``: build the image; prove it. See docs/container.md."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from container import inspection, runs
from container.build import build, tag
from container.engine import DockerError, NoEngineError, docker, engine

NOT_RUN = 77


def check(image: str) -> None:
    """Run every check on an image, saying each one's name and seconds.

    Raises:
        CheckError: the image is not as it should be.
        DockerError: a command in the container failed.
    """
    pip = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory(prefix="image-check-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        checks: dict[str, Callable[[], None]] = {
            "environment, labels, user, size": lambda: inspection.check_configuration(image),
            "manifests": lambda: inspection.check_manifests(image),
            "nothing of the building machine": lambda: inspection.check_nothing_leaked(image, pip.stdout),
            "extract, bill of materials": lambda: inspection.check_extract(image, work),
            "every module imports": lambda: runs.check_imports(image),
            "exit codes": lambda: runs.check_exit_codes(image, work),
            "the commands of docs/container.md": lambda: runs.check_page(image, work),
            "training, registration, gateway": lambda: runs.check_doors(image, work),
            "CT in, DICOM out, two users": lambda: runs.check_app(image, work),
            "stop": lambda: runs.check_stop(image, work),
        }
        for name, run in checks.items():
            start = time.monotonic()
            run()
            print(f"ok  {name}  {time.monotonic() - start:.0f} s", flush=True)


def exists(image: str) -> bool:
    """Whether the engine has the image."""
    return bool(docker("image", "ls", "--quiet", image).strip())


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 the image is wrong, 77 not run because no engine can be had here."""
    parser = argparse.ArgumentParser(prog="python -m container", description=__doc__)
    parser.add_argument("command", choices=["build", "check"], help="check builds the image if it is missing")
    parser.add_argument("--flavour", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args(argv)
    image = tag(arguments.flavour)
    try:
        with engine():
            if arguments.command == "build" or not exists(image):
                build(arguments.flavour)
            if arguments.command == "check":
                check(image)
    except NoEngineError as error:
        print(f"image: NOT RUN: {error}", file=sys.stderr)
        return NOT_RUN
    except (inspection.CheckError, DockerError, subprocess.CalledProcessError) as error:
        print(f"image: FAILED: {error}", file=sys.stderr)
        return 1
    print(f"image: {image} {'built' if arguments.command == 'build' else 'checked'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
