"""Who gets in: the real Orthanc and nginx with the configuration of deploy/, only ports and folders replaced."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from deploy_site import program, send, started
from dicom_factory import UID_ROOT, ct_series
from pydicom import Dataset
from pydicom.uid import (
    MPEG4HP41,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
)

from deploy.demo.site import Site, nginx_command

JPIP = "1.2.840.10008.1.2.4.94"  # pixels are fetched from an address in the object
VIEWER_PAGE = "<!doctype html><title>viewer</title>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    viewer = tmp_path_factory.mktemp("viewer")
    (viewer / "index.html").write_text(VIEWER_PAGE)
    for name in ("sw.js", "silent-refresh.html"):
        (viewer / name).write_text("loads a script from elsewhere")
    with started(tmp_path_factory.mktemp("site"), viewer) as running:
        yield running


def rename(number: int, image: Dataset) -> None:
    """Another image than those of the other tests."""
    image.SOPInstanceUID = f"{UID_ROOT}77.{number}"


def other(number: int, image: Dataset) -> None:
    """And another one than that."""
    image.SOPInstanceUID = f"{UID_ROOT}79.{number}"


def statistics(site: Site) -> int:
    answer = httpx.get(f"{site.rest}/statistics", auth=site.gateway).raise_for_status()
    return int(answer.json()["CountInstances"])


def test_nginx_takes_its_configuration(site: Site) -> None:
    checked = subprocess.run(nginx_command(site, "-t"), capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr


@pytest.mark.parametrize("path", ["/", "/viewer", "/app-config.js", "/index.html", "/pacs/studies", "/pacs/"])
@pytest.mark.parametrize("person", [None, ("radiologist", "wrong"), ("gateway", "")])
def test_origin_is_closed_without_a_password(site: Site, path: str, person: tuple[str, str] | None) -> None:
    answer = httpx.get(site.origin + path, auth=person)
    assert answer.status_code == 401
    assert VIEWER_PAGE not in answer.text


@pytest.mark.parametrize("path", ["/system", "/studies", "/pacs/studies", "/app/explorer.html", "/modalities"])
def test_orthanc_is_closed_without_a_password(site: Site, path: str) -> None:
    assert httpx.get(site.rest + path).status_code == 401
    assert httpx.get(site.rest + path, auth=("gateway", "wrong")).status_code == 401
    assert httpx.get(site.rest + path, auth=site.person).status_code == 401


def test_a_person_sees_the_viewer_and_searches(site: Site) -> None:
    page = httpx.get(f"{site.origin}/viewer", auth=site.person)
    assert (page.status_code, page.text) == (200, VIEWER_PAGE)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    found = httpx.get(f"{site.origin}/pacs/studies", auth=site.person)
    assert found.status_code in (200, 204)
    assert found.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_origin_only_reads(site: Site, method: str) -> None:
    for path in ("/pacs/studies", "/viewer"):
        assert httpx.request(method, site.origin + path, auth=site.person).status_code == 403


@pytest.mark.parametrize("path", ["/pacs/servers", "/pacs/../system", "/pacs/..%2fsystem", "/pacs//system"])
def test_the_origin_leads_to_dicomweb_only(site: Site, path: str) -> None:
    """Sent as written: a client of ours would tidy the path first."""
    curl = [program("curl", "curl"), "--silent", "--path-as-is", "--user", ":".join(site.person), site.origin + path]
    done = subprocess.run(curl, capture_output=True, text=True, timeout=30, check=True)
    assert "DicomAet" not in done.stdout


def test_pages_that_load_scripts_from_elsewhere_are_not_served(site: Site) -> None:
    for name in ("sw.js", "silent-refresh.html"):
        assert httpx.get(f"{site.origin}/{name}", auth=site.person).status_code == 404


def test_the_gateway_works_but_does_not_reconfigure(site: Site) -> None:
    assert httpx.get(f"{site.rest}/system", auth=site.gateway).json()["CheckRevisions"] is True
    for method, path in (("POST", "/tools/shutdown"), ("POST", "/tools/reset"), ("PUT", "/modalities/mine")):
        assert httpx.request(method, site.rest + path, auth=site.gateway).status_code == 403, path
    assert httpx.get(f"{site.rest}/system", auth=site.gateway).status_code == 200


@pytest.mark.parametrize(
    ("calling", "called"), [("STRANGER", "PULMOMAP"), ("PACS", "ORTHANC"), ("PULMOMAP", "PULMOMAP"), ("pacs2", "x")]
)
def test_an_unknown_title_is_refused(site: Site, tmp_path: Path, calling: str, called: str) -> None:
    before = statistics(site)
    refused = send(site, *ct_series(tmp_path, shape=(1, 8, 8)), calling=calling, called=called)
    assert refused.returncode != 0
    assert "AE Title Not Recognized" in refused.stderr
    assert statistics(site) == before


def test_a_known_title_is_taken_and_may_not_search(site: Site, tmp_path: Path) -> None:
    before = statistics(site)
    taken = send(site, *ct_series(tmp_path, shape=(2, 8, 8)))
    assert taken.returncode == 0, taken.stderr
    assert statistics(site) == before + 2
    findscu = [program("findscu", "dcmtk", "/usr/bin/findscu"), "-S", "-k", "0008,0052=STUDY", "-k", "PatientID"]
    address = ["-aet", "PACS", "-aec", "PULMOMAP", "127.0.0.1", str(site.dicom_port)]
    found = subprocess.run([*findscu, *address], capture_output=True, text=True, timeout=30, check=False)
    assert "Peer aborted Association" in found.stderr
    assert "Find Response" not in found.stdout + found.stderr


@pytest.mark.parametrize(
    ("syntax", "taken"),
    [(ExplicitVRLittleEndian, True), (DeflatedExplicitVRLittleEndian, False), (JPIP, False), (MPEG4HP41, False)],
)
def test_what_may_unpack_to_anything_is_not_negotiated(site: Site, tmp_path: Path, syntax: str, taken: bool) -> None:
    """storescu offers this transfer syntax and no other."""
    profile = tmp_path / "storescu.cfg"
    profile.write_text(
        f"[[TransferSyntaxes]]\n[One]\nTransferSyntax1 = {syntax}\n"
        f"[[PresentationContexts]]\n[CT]\nPresentationContext1 = {CTImageStorage}\\One\n"
        "[[Profiles]]\n[Only]\nPresentationContexts = CT\n"
    )
    (image,) = ct_series(tmp_path / "ct", shape=(1, 8, 8))
    command = [program("storescu", "dcmtk", "/usr/bin/storescu"), "-xf", str(profile), "Only"]
    address = ["-aet", "PACS", "-aec", "PULMOMAP", "127.0.0.1", str(site.dicom_port), str(image)]
    done = subprocess.run([*command, *address], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) is taken
    assert ("No Acceptable Presentation Contexts" in done.stderr) is not taken


def test_a_known_title_from_another_address_is_refused(tmp_path: Path) -> None:
    """The PACS is registered at another address than the one that calls in its name."""
    (tmp_path / "viewer").mkdir()
    with started(tmp_path / "site", tmp_path / "viewer", PACS_HOST="192.0.2.1") as site:
        refused = send(site, *ct_series(tmp_path / "ct", shape=(1, 8, 8)))
        assert refused.returncode != 0
        assert statistics(site) == 0


def test_our_own_results_do_not_come_back(site: Site, tmp_path: Path) -> None:
    """A PACS that routes everything routes our results too; the sender must see no error, or it would try for ever."""
    before = statistics(site)
    returned = send(site, *ct_series(tmp_path, shape=(2, 8, 8), Manufacturer="PulmoMAP"))
    assert returned.returncode == 0, returned.stderr
    assert statistics(site) == before


def test_several_attributes_may_be_asked_for_at_once(site: Site, tmp_path: Path) -> None:
    """The viewer's study list asks so; without the rewriting in nginx its descriptions are empty."""
    own: dict[str, Any] = {"StudyInstanceUID": f"{UID_ROOT}77", "SeriesInstanceUID": f"{UID_ROOT}78", "PatientID": "77"}
    images = ct_series(tmp_path, shape=(1, 8, 8), StudyDescription="Chest", edit=rename, **own)
    assert send(site, *images).returncode == 0
    query = "limit=101&includefield=00081030%2C00080060%2C00080090%2C00100030&PatientID=77"
    (study,) = httpx.get(f"{site.origin}/pacs/studies?{query}", auth=site.person).json()
    assert study["00081030"]["Value"] == ["Chest"]


@pytest.mark.parametrize("name", ["Somebody^Else", "*Some*", "somebody^else"])
def test_a_patient_is_found_by_name(site: Site, tmp_path: Path, name: str) -> None:
    """Encoded as a browser does it; Orthanc 1.10 takes %5E for three letters."""
    own: dict[str, Any] = {"StudyInstanceUID": f"{UID_ROOT}79", "SeriesInstanceUID": f"{UID_ROOT}80", "PatientID": "79"}
    images = ct_series(tmp_path, shape=(1, 8, 8), PatientName="Somebody^Else", edit=other, **own)
    assert send(site, *images).returncode == 0
    query = f"PatientName={quote(name, safe='*')}"
    (study,) = httpx.get(f"{site.origin}/pacs/studies?{query}", auth=site.person).json()
    assert study["00100020"]["Value"] == ["79"]


def test_logs_hold_no_patient(site: Site, tmp_path: Path) -> None:
    secret: dict[str, Any] = {
        "PatientName": "Hushhush^Mary",
        "PatientID": "ID-4711-SECRET",
        "PatientBirthDate": "19610203",
    }
    assert send(site, *ct_series(tmp_path, shape=(1, 8, 8), **secret)).returncode == 0
    httpx.get(f"{site.origin}/pacs/studies?PatientName=Hushhush&PatientID=ID-4711-SECRET", auth=site.person)
    for log in site.folder.glob("*.log"):
        text = log.read_text(errors="replace")
        assert text
        for value in ("Hushhush", "ID-4711-SECRET", "19610203", site.person[1], site.gateway[1]):
            assert value not in text, log.name
