"""``python -m pulmomap.imaging.registration.child FOLDER``: elastix, where its crash harms nobody.

elastix is native code that has been seen to end its process, so the caller starts this module, waits, and reads what it
left behind. Reads ``fixed.mha``, ``moving.mha`` and ``region.mha`` of the folder; writes ``transform.h5``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pulmomap.imaging.registration.stages import STAGES, map_file

FIXED, MOVING, REGION, RESULT = "fixed.mha", "moving.mha", "region.mha", "transform.h5"


def run(folder: Path) -> None:
    """Register in three stages.

    Args:
        folder: with the images (float32) and the fixed image's sampling region (uint8). The number of threads is ITK's
            default: elastix crashes with several metrics when it is set on the filter (ITKElastix issue 160).
    """
    import itk

    parameters = itk.ParameterObject.New()
    for stage in STAGES:
        parameters.AddParameterFile(str(map_file(stage)))
    fixed, moving = (itk.imread(str(folder / name), itk.F) for name in (FIXED, MOVING))
    method = itk.ElastixRegistrationMethod.New(fixed, moving)
    method.SetFixedMask(itk.imread(str(folder / REGION), itk.UC))
    method.SetParameterObject(parameters)
    method.SetOutputDirectory(str(folder))
    method.SetLogToConsole(False)
    method.SetLogToFile(False)
    method.UpdateLargestPossibleRegion()
    (folder / f"TransformParameters.{len(STAGES) - 1}-Composite.h5").rename(folder / RESULT)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
