"""A phantom as files: DICOM series and a nodule SEG for the app, NIfTI and JSON truth for people and for training.

The same phantom gives the same bytes: UIDs come from the seed, dates are fixed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from highdicom import AlgorithmIdentificationSequence, Volume
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pulmomap import __version__
from pulmomap.phantom.thorax import Phantom
from pulmomap.phantom.trees import Branching

DATE, TIME = "20200101", "120000"
# Series number, description and whether contrast was given.
SERIES: dict[str, tuple[int, str, bool]] = {
    "ncct": (2, "Chest without contrast (phantom)", False),
    "vnc": (3, "Virtual non-contrast (phantom)", True),
    "cect": (4, "Chest with contrast (phantom)", True),
}
KERNELS = {"soft": "SOFT", "standard": "STANDARD", "lung": "LUNG"}


def uid(phantom: Phantom, *parts: object) -> str:
    """A UID that the seed and the grid decide."""
    return str(
        generate_uid(entropy_srcs=["phantom", str(phantom.seed), str(phantom.ncct.affine.tolist()), *map(str, parts)])
    )


def write_study(phantom: Phantom, folder: Path, series: Iterable[str] = tuple(SERIES)) -> None:
    """Write DICOM series (one folder each), ``seg/`` with the nodules, and ``truth/``."""
    for name in series:
        write_series(phantom, name, folder / name)
    if "ncct" in series:
        (folder / "seg").mkdir(parents=True, exist_ok=True)
        nodule_segmentation(phantom).save_as(folder / "seg" / "nodules.dcm", enforce_file_format=True)
    write_truth(phantom, folder / "truth")


def write_series(phantom: Phantom, name: str, folder: Path) -> None:
    """Write one CT Image Storage series, one file a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    volume: Volume = getattr(phantom, name)
    for index in range(volume.spatial_shape[0]):
        image = slice_header(phantom, name, index)
        image.PixelData = np.ascontiguousarray(volume.array[index].astype("<i2")).tobytes()
        image.save_as(folder / f"{index + 1:04d}.dcm", enforce_file_format=True)


def slice_header(phantom: Phantom, name: str, index: int) -> Dataset:
    """The CT image of one slice without its pixels (DICOM PS3.3 A.3)."""
    volume: Volume = getattr(phantom, name)
    number, description, contrast = SERIES[name]
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = UID(uid(phantom, name, index))
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _patient_and_study(image, phantom)
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = uid(phantom, name, index)
    image.Modality = "CT"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SeriesInstanceUID = uid(phantom, name)
    image.SeriesNumber, image.SeriesDescription = number, description
    image.SeriesDate = image.AcquisitionDate = image.ContentDate = DATE
    image.SeriesTime = image.AcquisitionTime = image.ContentTime = TIME
    image.InstanceNumber, image.AcquisitionNumber = index + 1, number
    image.FrameOfReferenceUID, image.PositionReferenceIndicator = str(volume.frame_of_reference_uid), ""
    image.BodyPartExamined, image.PatientPosition = "CHEST", "HFS"
    image.Manufacturer, image.ManufacturerModelName = "Procedural phantom", "Thorax phantom"
    image.SoftwareVersions, image.DeviceSerialNumber = __version__, str(phantom.seed)
    image.KVP, image.ConvolutionKernel = "120", KERNELS[phantom.scan.kernel]
    if contrast:
        image.ContrastBolusAgent = "Iodine (phantom)"
    _geometry(image, volume, index)
    return image


def _patient_and_study(image: Dataset, phantom: Phantom) -> None:
    image.PatientName, image.PatientID = f"PHANTOM^SEED {phantom.seed}", f"PHANTOM-{phantom.seed}"
    image.PatientBirthDate, image.PatientSex = "", "M" if phantom.patient.male else "F"
    image.StudyInstanceUID, image.StudyID = uid(phantom, "study"), "1"
    image.StudyDate, image.StudyTime, image.StudyDescription = DATE, TIME, "Procedural thorax phantom"
    image.AccessionNumber = image.ReferringPhysicianName = ""


def _geometry(image: Dataset, volume: Volume, index: int) -> None:
    thickness, row, column = volume.spacing
    position = volume.affine @ (index, 0, 0, 1)
    image.SliceThickness = f"{thickness:.6g}"
    image.ImagePositionPatient = [f"{value:.10g}" for value in position[:3]]
    image.ImageOrientationPatient = [
        f"{value:.10g}" for value in (*volume.unit_vectors()[2], *volume.unit_vectors()[1])
    ]
    image.PixelSpacing = [f"{row:.10g}", f"{column:.10g}"]
    image.Rows, image.Columns = volume.spatial_shape[1:]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "0", "1", "HU"
    image.WindowCenter, image.WindowWidth = "40", "400"


def nodule_segmentation(phantom: Phantom) -> Segmentation:
    """The nodules as a DICOM SEG on the NCCT, so that the app finds them as it would find a reader's."""
    mask = np.zeros(phantom.ncct.spatial_shape, dtype=np.uint8)
    for number, nodule in enumerate(phantom.nodules, start=1):
        mask[nodule.box][nodule.mask] = number
    present = [number for number in range(1, len(phantom.nodules) + 1) if (mask == number).any()]
    for position, number in enumerate(present, start=1):
        mask[mask == number] = position
    sources = [slice_header(phantom, "ncct", index) for index in range(phantom.ncct.spatial_shape[0])]
    segmentation = Segmentation(
        source_images=sources,
        pixel_array=mask,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_nodule(phantom, position) for position in range(1, len(present) + 1)],
        series_instance_uid=uid(phantom, "seg"),
        series_number=5,
        sop_instance_uid=uid(phantom, "seg", 1),
        instance_number=1,
        manufacturer="Procedural phantom",
        manufacturer_model_name="Thorax phantom",
        software_versions=__version__,
        device_serial_number=str(phantom.seed),
        content_label="NODULES",
        content_creator_name="Phantom^Thorax",
        series_description="Nodules (phantom truth)",
        content_date=DATE,
        content_time=TIME,
        omit_empty_frames=True,
    )
    # highdicom draws a UID and reads the clock; the same phantom has to give the same bytes.
    segmentation["InstanceCreationDate"].value = DATE
    segmentation["InstanceCreationTime"].value = TIME
    for contribution in segmentation.ContributingEquipmentSequence:
        if "ContributionDateTime" in contribution:
            contribution["ContributionDateTime"].value = DATE + TIME
    organization = uid(phantom, "seg", "dimensions")
    segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for index in segmentation.DimensionIndexSequence:
        index.DimensionOrganizationUID = organization
    return segmentation


def _nodule(phantom: Phantom, number: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=f"Nodule {number}",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=CodedConcept("27925004", "SCT", "Nodule"),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            "Thorax phantom", codes.DCM.ArtificialIntelligence, __version__
        ),
        tracking_uid=uid(phantom, "nodule", number),
        tracking_id=f"Nodule {number}",
    )


def write_truth(phantom: Phantom, folder: Path) -> None:
    """Labels as NIfTI (with their names), the trees as graphs, the nodules as a list."""
    folder.mkdir(parents=True, exist_ok=True)
    nibabel.save(phantom.labels.to_nibabel(), folder / "labels.nii.gz")
    _write_json(folder / "labels.json", phantom.label_names)
    _write_json(folder / "vessels.json", graphs(phantom))
    nodules = [
        {
            "name": f"nodule_{number}",
            "centre_lps_mm": [round(float(value), 3) for value in nodule.centre],
            "diameter_mm": round(nodule.diameter, 2),
            "lobe": nodule.lobe.name.lower(),
            "kind": nodule.kind,
        }
        for number, nodule in enumerate(phantom.nodules, start=1)
    ]
    _write_json(folder / "nodules.json", nodules)


def graphs(phantom: Phantom) -> dict[str, Any]:
    """The trees: node positions (LPS mm), radii (mm), parents (index, -1 at the root) and lobes."""

    def graph(branching: Branching) -> dict[str, Sequence[Any]]:
        points, parents = branching.tree.arrays()
        return {
            "lps_mm": np.round(points, 2).tolist(),
            "radius_mm": np.round(branching.radii, 3).tolist(),
            "parent": parents.tolist(),
            "lobe": [int(lobe) for lobe in branching.tree.lobes],
        }

    trees = phantom.trees
    return {
        "airway": graph(trees.airways),
        "pulmonary_artery": graph(trees.arteries),
        "pulmonary_vein": graph(trees.veins),
    }


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
