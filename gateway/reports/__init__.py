"""What the SDKs tell about the quality of their calls: call reports, recordings and debug frames, kept for a while.

`service.Reports` is the whole of it. Uploads come over HTTP (`uploads`), debug frames over the Verto socket
(`frames`); `archive` lays both out as objects of a store, which is a folder (`directory`) or S3 (`s3`).
"""
