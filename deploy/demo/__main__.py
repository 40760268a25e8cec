"""``python -m deploy.demo``: a phantom study through Orthanc, the gateway and the app into the viewer, on loopback."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from deploy.demo.chain import chain, send
from deploy.demo.pacs import kept_files
from deploy.demo.programs import ProgramError
from deploy.demo.results import view_address, wait_for_results
from deploy.demo.site import Site
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
    for number in (signal.SIGTERM, signal.SIGHUP):  # a terminal that is closed must leave nothing running
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="pulmomap-demo-"))
    try:
        demonstrate(folder, options.study, options.seed, options.spacing, options.once)
    except KeyboardInterrupt:
        print("\nstopped")
    except (ProgramError, ViewerError, TimeoutError, RuntimeError) as error:
        print(f"pulmomap: {error}\npulmomap: the logs are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def demonstrate(folder: Path, study: Path | None, seed: int, spacing: float, once: bool) -> None:
    """Start everything, send the study, wait for its results, say where they are, and stay until Ctrl-C."""
    if study is not None and not study.is_dir():
        raise RuntimeError(f"{study} is no folder")
    print("Fetching the viewer ...", flush=True)
    site = Site(folder, fetch_viewer())
    print("Starting a PACS, Orthanc, the gateway and the viewer ...", flush=True)
    with chain(site) as gateway:
        if study is None:
            print("Drawing a phantom ...", flush=True)
            study = draw_study(site.folder / "patient", seed, spacing)
        print("Sending it by DICOM ...", flush=True)
        send(site, study)
        print(f"Waiting for the results ... (logs: {site.folder})", flush=True)
        jobs = wait_for_results(site, PATIENCE, gateway.check)
        for job in jobs:
            if job.state != "done" and job.code != "NOT_CT":  # the contours of the nodules are no CT
                print(f"A series got no results: {job.state}, {job.code}: {job.detail}")
        print(f"Forwarded to the PACS by DICOM: {len(kept_files(site))} objects in {site.pacs}\n")
        for uid in sorted({job.study for job in jobs if job.state == "done"}):
            print(f"The vessels:  {view_address(site, uid)}")
        name, password = site.person
        print(f"User:         {name}\nPassword:     {password}\n", flush=True)
        if not once:
            print("Ctrl-C stops everything.", flush=True)
            while True:
                gateway.check()
                time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
