"""Door 3: the worker between an Orthanc server and the app.

A PACS routes studies by DICOM to an Orthanc beside the app. Orthanc is the durable spool and the only DICOM front; the
gateway is a client of its REST API. All state is in Orthanc: any worker may die at any moment and another takes over.
"""
