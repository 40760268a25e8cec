"""highdicom's own volume of a series."""

import sys
from pathlib import Path

import highdicom
from pydicom import dcmread

volume = highdicom.get_volume_from_series([dcmread(path) for path in Path(sys.argv[1]).iterdir()])
assert volume.array.ndim == 3
