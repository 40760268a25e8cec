"""Orthanc plugin: what each REST user may do, and the loop guard.

The viewer only reads, by DICOMweb. The gateway may do what its work needs, but not reconfigure or stop Orthanc. Our own
results are dropped when a PACS routes them back by DICOM: they are here already, and storing them anew would lose what
the gateway has noted about them and could start another round.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import orthanc

VIEWER_READS = re.compile(r"/pacs/(studies|series|instances)(/.*)?")
CONFIGURES = re.compile(r"/tools/(shutdown|reset|execute-script|metrics|log-level.*)|/(modalities|peers)/[^/]+/?")
MANUFACTURER = "PulmoMAP"  # what our results bear in (0008,0070)
STORE = 0x0000
DROP = 0xB006  # a warning: unlike an error, it makes no PACS send again


def allow(uri: str, **request: Any) -> bool:
    """Say whether the user may make this request (the path, without its query)."""
    reads = request["method"] == orthanc.HttpMethod.GET
    name = user(request["headers"])
    if name == "viewer":
        return reads and VIEWER_READS.fullmatch(uri) is not None
    if name == "gateway":
        return reads or CONFIGURES.fullmatch(uri) is None
    return False


def user(headers: dict[str, str]) -> str:
    """Return the name in the Authorization header. Orthanc has checked the password, but does not hand the name on."""
    _, _, encoded = headers.get("authorization", "").partition(" ")
    return base64.b64decode(encoded).decode().partition(":")[0]


def admit(instance: Any) -> int:
    """Answer a C-STORE with a DIMSE status; all but 0 drop the instance."""
    tags = json.loads(instance.GetInstanceSimplifiedJson())
    return DROP if str(tags.get("Manufacturer", "")).strip() == MANUFACTURER else STORE


orthanc.RegisterIncomingHttpRequestFilter(allow)
orthanc.RegisterIncomingCStoreInstanceFilter(admit)
