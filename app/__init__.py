"""Door 1, `python -m app`: composes the operator graph and reads the settings. No image processing here."""
