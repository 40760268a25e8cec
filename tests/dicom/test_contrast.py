"""Tags that speak of contrast, and tags that only look so."""

from __future__ import annotations

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from pulmomap.dicom.contrast import contrast_evidence


def header(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize("agent", ["IV", "OMNIPAQUE", "ISOVUE300/100", "CONTRAST", "Iopamiro 370", "ORAL & IV", "YES"])
def test_an_agent(agent: str) -> None:
    assert "ContrastBolusAgent" in str(contrast_evidence(header(ContrastBolusAgent=agent)))


@pytest.mark.parametrize("agent", ["", " ", "NONE", "None", "no", "N/A", "NO CONTRAST", "WITHOUT", "-", "0", "ORAL",
                                   "w/o", "NON-CONTRAST", "oral gastrografin"])  # fmt: skip
def test_no_agent_in_the_blood(agent: str) -> None:
    assert contrast_evidence(header(ContrastBolusAgent=agent)) is None


def test_an_agent_by_mouth_is_told_by_its_route() -> None:
    assert contrast_evidence(header(ContrastBolusAgent="GASTROGRAFIN", ContrastBolusRoute="ORAL")) is None
    assert contrast_evidence(header(ContrastBolusAgent="TELEBRIX", ContrastBolusRoute="IV")) is not None


def test_an_agent_in_an_enhanced_header() -> None:
    agent = Dataset()
    agent.CodeMeaning = "Iohexol"
    assert contrast_evidence(header(ContrastBolusAgentSequence=Items([agent]))) is not None
    assert contrast_evidence(header(ContrastBolusAgentSequence=Items([]))) is None


def test_an_oral_agent_in_an_enhanced_header() -> None:
    agent, route = Dataset(), Dataset()
    route.CodeMeaning = "Oral route"
    agent.ContrastBolusAdministrationRouteSequence = Items([route])
    assert contrast_evidence(header(ContrastBolusAgentSequence=Items([agent]))) is None


@pytest.mark.parametrize(
    "words",
    ["CTPA", "CHEST WITH CONTRAST", "Thorax C+ 1.0", "ANGIO CT", "Lung arterial 1mm", "portal venous",
     "chest_w_contrast", "POST CONTRAST", "Thorax KM 1.0 B30f", "CTA CHEST", "CECT"],
)  # fmt: skip
def test_descriptions_of_contrast(words: str) -> None:
    assert contrast_evidence(header(SeriesDescription=words)) is not None


@pytest.mark.parametrize(
    "words",
    ["CHEST", "NON CONTRAST CHEST", "NON-CONTRAST", "chest w/o contrast", "WITHOUT CONTRAST", "NCCT",
     "Thorax nativ 1.0", "no contrast", "UNENHANCED", "PRE CONTRAST", "Thorax C- 1.0", "LOW DOSE LUNG", "1.0 B30f",
     "Actual", "NONCONTRAST"],
)  # fmt: skip
def test_descriptions_without_contrast(words: str) -> None:
    assert contrast_evidence(header(SeriesDescription=words)) is None


def test_the_series_speaks_before_the_protocol() -> None:
    both = header(SeriesDescription="native", ProtocolName="CHEST WITH CONTRAST")
    assert contrast_evidence(both) is None


def test_values_are_not_repeated() -> None:
    evidence = contrast_evidence(header(SeriesDescription="CANARY with contrast"))
    assert evidence is not None
    assert "CANARY" not in evidence
