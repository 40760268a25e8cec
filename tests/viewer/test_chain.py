"""The whole chain with the app itself: dcmtk sends, and the results are in Orthanc, on the web and in the PACS."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session_from_user_pass
from pydicom import Dataset, dcmread

if TYPE_CHECKING:
    from tests.viewer.conftest import Shown


pytestmark = pytest.mark.timeout(1800)  # the first one waits for the whole chain


@pytest.fixture(scope="module")
def web(shown: Shown) -> DICOMwebClient:
    """What a radiologist's program sees, by the one origin and its password."""
    session = create_session_from_user_pass(*shown.site.person)
    return DICOMwebClient(f"{shown.site.origin}/pacs", session=session)


def series_by_qido(web: DICOMwebClient, shown: Shown) -> dict[str, dict[str, str]]:
    """Modality and description of each series of the study, by its UID."""
    fields = ["SeriesDescription", "Manufacturer"]
    found = [Dataset.from_json(one) for one in web.search_for_series(shown.study_uid, fields=fields)]
    return {
        str(one.SeriesInstanceUID): {"modality": one.Modality, "manufacturer": one.get("Manufacturer", "")}
        for one in found
    }


def test_qido_finds_source_and_results(web: DICOMwebClient, shown: Shown) -> None:
    found = list(series_by_qido(web, shown).values())
    assert sorted(one["modality"] for one in found if one["manufacturer"] == "PulmoMAP") == ["CT", "SEG", "SR"]
    assert sorted(one["modality"] for one in found if one["manufacturer"] != "PulmoMAP") == ["CT", "RTSTRUCT"]


def test_the_pacs_has_each_result_once_and_nothing_else(web: DICOMwebClient, shown: Shown) -> None:
    sources = list((shown.study / "ncct").iterdir())
    assert {kind: len(paths) for kind, paths in shown.kept.items()} == {"CT": len(sources), "SEG": 1, "SR": 1}
    kept = [dcmread(path, stop_before_pixels=True) for paths in shown.kept.values() for path in paths]
    assert {one.Manufacturer for one in kept} == {"PulmoMAP"}
    ours = [uid for uid, one in series_by_qido(web, shown).items() if one["manufacturer"] == "PulmoMAP"]
    stored = [
        Dataset.from_json(instance).SOPInstanceUID
        for uid in ours
        for instance in web.search_for_instances(shown.study_uid, uid)
    ]
    assert sorted(one.SOPInstanceUID for one in kept) == sorted(stored)


def test_what_the_pacs_has_is_what_the_web_hands_out(web: DICOMwebClient, shown: Shown) -> None:
    for modality in ("SEG", "SR"):
        kept = dcmread(shown.the(modality))
        handed = web.retrieve_instance(kept.StudyInstanceUID, kept.SeriesInstanceUID, kept.SOPInstanceUID)
        assert handed == kept


def test_the_nodules_contours_went_to_the_app(shown: Shown) -> None:
    """The RTSTRUCT was pulled with the series: its nodules are what the report measures."""
    report = dcmread(shown.the("SR"))
    assert "Nodule 1" in str(report)
    assert {keyword: str(report[keyword].value) for keyword in shown.patient} == shown.patient


def test_the_gateway_says_that_all_is_well(shown: Shown) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{shown.site.health_port}/health") as answer:
        assert answer.read() == b"ok\n"
    with urllib.request.urlopen(f"http://127.0.0.1:{shown.site.health_port}/metrics") as answer:
        assert 'pulmomap_gateway_jobs_total{outcome="done"} 1.0' in answer.read().decode()


def test_no_log_of_the_whole_run_names_the_patient(web: DICOMwebClient, shown: Shown) -> None:
    """Every program's log, with a search by name through the web on top."""
    found = httpx.get(f"{shown.site.origin}/pacs/studies", params=shown.patient, auth=shown.site.person, timeout=60)
    assert len(found.json()) == 1
    words = [word for value in shown.patient.values() for word in value.split("^")]
    secrets = [*words, shown.site.person[1], shown.site.gateway[1]]
    logs = {path.stem: path.read_text(errors="replace") for path in shown.site.folder.glob("*.log")}
    assert set(logs) == {"gateway", "nginx", "orthanc", "pacs"}
    assert [(name, secret) for name, text in logs.items() for secret in secrets if secret in text] == []
    said = [json.loads(line) for line in logs["gateway"].splitlines()]
    assert "job done" in [one["message"] for one in said]
    assert {"stage"} <= {name for one in said for name in one}, "the app's own lines are among them"
