"""The MONAI Deploy App SDK's loader and volume builder, without its graph."""

import sys
from pathlib import Path

from app.process import load_cuda_runtime


def main() -> None:
    """Load the folder that the command line names, as the SDK's example applications do."""
    load_cuda_runtime()
    from monai.deploy.core import Fragment
    from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator
    from monai.deploy.operators.dicom_series_selector_operator import DICOMSeriesSelectorOperator
    from monai.deploy.operators.dicom_series_to_volume_operator import DICOMSeriesToVolumeOperator

    fragment = Fragment()
    studies = DICOMDataLoaderOperator(fragment, name="load").load_data_to_studies(Path(sys.argv[1]))
    selected = DICOMSeriesSelectorOperator(fragment, name="select").filter(None, studies)
    image = DICOMSeriesToVolumeOperator(fragment, name="volume").convert_to_image(selected)
    assert image.asnumpy().ndim == 3


main()
