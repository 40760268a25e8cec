"""The whole chain on loopback: a PACS, Orthanc, the gateway with the app, nginx with OHIF; and a study sent to it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.demo.pacs import TITLE, start_pacs
from deploy.demo.programs import Program, ProgramError, find_program
from deploy.demo.site import Site, prepare, running, write_gateway_settings


@contextlib.contextmanager
def chain(site: Site) -> Iterator[Program]:
    """Prepare a site, start all of it, and stop it at the end.

    Yields:
        The gateway, for whoever waits for its work.

    Raises:
        ProgramError: a program is missing or does not start.
    """
    prepare(site)
    with contextlib.ExitStack() as stack:
        stack.enter_context(start_pacs(site))
        stack.enter_context(running(site))
        command = [sys.executable, "-m", "gateway", "run", "--config", str(write_gateway_settings(site))]
        yield stack.enter_context(Program("gateway", command, site.folder, {}))


def send(site: Site, study: Path) -> None:
    """Send a folder of DICOM to Orthanc as the PACS does, by dcmtk.

    Raises:
        ProgramError: storescu is missing, or Orthanc did not take all of it.
    """
    # pynetdicom has a storescu of its own, which an active environment puts first.
    storescu = find_program("storescu", "dcmtk", "/usr/bin/storescu")
    address = ["-aet", TITLE, "-aec", "PULMOMAP", "127.0.0.1", str(site.dicom_port)]
    done = subprocess.run(
        [storescu, "-R", "+sd", "+r", *address, str(study)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ProgramError(f"{study} could not be sent by DICOM; storescu says: {last}")
