"""The hospital's PACS of the demonstration: dcmtk's ``dcmqrscp``, to which results are forwarded."""

from __future__ import annotations

from pathlib import Path

from deploy.demo.programs import Program, find_program, listens
from deploy.demo.site import Site

TITLE = "PACS"
INDEX = "index.dat"


def start_pacs(site: Site) -> Program:
    """Start it at the address that Orthanc's modalities.json is told.

    Raises:
        ProgramError: dcmqrscp is missing or does not start.
    """
    site.pacs.mkdir()
    config = site.folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {site.pacs_port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{TITLE} {site.pacs} RW (200, 1024mb) ANY\nAETable END\n"
    )
    command = [find_program("dcmqrscp", "dcmtk", "/usr/bin/dcmqrscp"), "-c", str(config)]
    program = Program("pacs", command, site.folder, {})
    try:
        program.wait_until(lambda: listens(site.pacs_port), "answer", 30)
    except BaseException:
        program.stop()
        raise
    return program


def kept_files(site: Site) -> list[Path]:
    """The DICOM files that the PACS has."""
    return sorted(path for path in site.pacs.iterdir() if path.name != INDEX)
