"""highdicom's own volume of a series."""

import sys
from pathlib import Path

import highdicom
from pydicom import dcmread

images = [dcmread(path) for path in Path(sys.argv[1]).iterdir()]
for image in images:  # highdicom refuses the de-identified series whose slices carry different frames of reference
    image.FrameOfReferenceUID = images[0].FrameOfReferenceUID
assert highdicom.get_volume_from_series(images).array.ndim == 3
