"""Do the tags of a CT say that contrast medium was in the vessels?

Tags lie in both directions; this is the first look, the blood's HU (:mod:`pulmomap.imaging.content`) the second.
"""

from __future__ import annotations

import re

from pydicom import Dataset

from pulmomap.dicom.header import items, text

_NO_AGENT = re.compile(r"^(|0|-+|NONE|NO|NON|NIL|N/?A|NULL|NOT APPLICABLE|WITHOUT.*|W/O.*|NO[ _-].*|NON[ _-]?CON.*)$")
_BY_MOUTH = re.compile(r"ORAL|BY MOUTH|RECTAL|\bPO\b")
_IN_VEIN = re.compile(r"\bIV\b|I\.V\.|INTRAVEN|VENOUS")

_PLAIN_WORDS = re.compile(
    r"\bNON[ _-]?(IONIC[ _-]+)?(CONTRAST|CON|ENHANCED|CE)\b|\bWITHOUT\b|\bW/?O\b|\bNO[ _-]?CONTRAST\b|\bUN-?ENHANCED\b"
    r"|\bNATIVE?\b|\bPLAIN\b|\bNCCT\b|\bC-(?=\s|$)|\bPRE[ _-]?CONTRAST\b|\bOHNE\b|\bSANS\b"
)
_CONTRAST_WORDS = re.compile(
    r"\bCONTRAST\b|\bCECT\b|\bENHANCED\b|\bCTPA\b|\bCTA\b|ANGIO|\bARTERIAL\b|\bVENOUS\b|\bPORTAL\b|\bPOST[ _-]?CON"
    r"|\bC\+|\+ ?C\b|\bW/ ?C|\bWITH ?CON|\bW CON|\bKM\b|\bIV ?C"
)


def contrast_evidence(header: Dataset) -> str | None:
    """What in the header speaks of intravenous contrast, as the end of a sentence; None if nothing does.

    Names attributes only, never their values: free text may hold anything.
    """
    if _agent_in_blood(header):
        return "ContrastBolusAgent is filled in"
    if not all(map(_by_mouth, items(header, "ContrastBolusAgentSequence"))):
        return "ContrastBolusAgentSequence is filled in"
    for keyword in ("SeriesDescription", "ProtocolName"):
        words = text(header, keyword).upper().replace("_", " ")
        if _PLAIN_WORDS.search(words):
            return None
        if _CONTRAST_WORDS.search(words):
            return f"{keyword} speaks of contrast"
    return None


def _agent_in_blood(header: Dataset) -> bool:
    agent = text(header, "ContrastBolusAgent").upper()
    if _NO_AGENT.match(agent):
        return False
    way = f"{agent} {text(header, 'ContrastBolusRoute').upper()}"
    return not _BY_MOUTH.search(way) or bool(_IN_VEIN.search(way))


def _by_mouth(agent: Dataset) -> bool:
    routes = items(agent, "ContrastBolusAdministrationRouteSequence")
    return any(_BY_MOUTH.search(text(route, "CodeMeaning").upper()) for route in routes)
