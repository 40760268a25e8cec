"""Index, select and read one series: files to a checked float32 HU volume."""

import sys
from pathlib import Path

from pulmomap.dicom.index import index_folder
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.selection import SelectionRules, select

series = select(index_folder(Path(sys.argv[1])), SelectionRules()).selected[0]
assert read_volume(series).array.ndim == 3
