"""SimpleITK's series reader."""

import sys

import SimpleITK as sitk

reader = sitk.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[1]))
assert sitk.GetArrayFromImage(reader.Execute()).ndim == 3
