"""OHIF's ready-made files: fetched by npm, checked against the pinned SHA-512, unpacked once."""
