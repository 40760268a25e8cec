"""``python -m deploy.demo``: a phantom study through Orthanc, the gateway and the app into the viewer, on loopback."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy.demo.programs import Program, ProgramError, find_program
from deploy.demo.results import view_address, wait_for_results
from deploy.demo.site import Site, prepare, running, write_gateway_settings
from deploy.demo.study import draw_study
from deploy.ohif.fetch import ViewerError, fetch_viewer

PATIENCE = 1800.0  # s; the app alone takes minutes on a small machine


def main() -> int:
    """Run the demonstration until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--study", type=Path, help="DICOM folder to send (default: a phantom is drawn)")
    parser.add_argument("--seed", type=int, default=1, help="selects the phantom (default %(default)s)")
    parser.add_argument("--spacing", type=float, default=1.5, help="of the phantom, mm (default %(default)s)")
    parser.add_argument("--once", action="store_true", help="stop when the results are there")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pulmomap-demo-"))
    try:
        demonstrate(folder, options.study, options.seed, options.spacing, options.once)
    except KeyboardInterrupt:
        print("\nstopped")
    except (ProgramError, ViewerError, TimeoutError, RuntimeError) as error:
        print(f"pulmomap: {error}", file=sys.stderr)
        return 1  # the folder stays, for its logs
    shutil.rmtree(folder)
    return 0


def demonstrate(folder: Path, study: Path | None, seed: int, spacing: float, once: bool) -> None:
    """Start everything, send the study, wait for its results, say where they are, and stay until Ctrl-C."""
    if importlib.util.find_spec("gateway") is None:
        raise ProgramError("the gateway is not part of this installation; the demonstration needs it")
    storescu = find_program("storescu", "dcmtk", "/usr/bin/storescu")
    print("Fetching the viewer ...", flush=True)
    site = Site(folder, fetch_viewer())
    prepare(site)
    if study is None:
        print("Drawing a phantom ...", flush=True)
        study = draw_study(site.folder / "patient", seed, spacing)
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(site))
        gateway = stack.enter_context(start_gateway(site))
        print("Sending it by DICOM ...", flush=True)
        address = ["-aet", "PACS", "-aec", "PULMOMAP", "127.0.0.1", str(site.dicom_port)]
        subprocess.run([storescu, "-R", "+sd", "+r", *address, str(study)], check=True)
        print(f"Waiting for the results ... (logs: {site.folder})", flush=True)
        wait_for_results(site, PATIENCE, gateway.check)
        name, password = site.person
        print(f"\nThe vessels:  {view_address(site)}\nUser:         {name}\nPassword:     {password}\n", flush=True)
        if not once:
            print("Ctrl-C stops everything.", flush=True)
            while True:
                gateway.check()
                time.sleep(1)


def start_gateway(site: Site) -> Program:
    """Start a gateway worker on the site's Orthanc."""
    command = [sys.executable, "-m", "gateway", "run", "--config", str(write_gateway_settings(site))]
    return Program("gateway", command, site.folder, {})


if __name__ == "__main__":
    sys.exit(main())
