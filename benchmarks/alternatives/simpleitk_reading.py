"""SimpleITK's series reader."""

import sys

import SimpleITK

reader = SimpleITK.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[1]))
assert SimpleITK.GetArrayFromImage(reader.Execute()).ndim == 3
