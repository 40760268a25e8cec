"""PulmoMAP next to a PACS: configuration for Orthanc, nginx and OHIF, and a demonstration that runs them here."""
