"""The demonstration: Orthanc, the gateway, nginx and OHIF on loopback, a phantom study sent by DICOM."""
