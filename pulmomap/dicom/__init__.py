"""Series in (selection, geometry, pixels, nodules), objects out (CT, SEG, SR)."""
