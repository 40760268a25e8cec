"""Door 2, `python -m training`: phantom, fit, export."""
