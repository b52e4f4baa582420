"""The virtual inspection cell: metal part faces, lights and a robot-mounted camera, with exact ground truth.

It needs numpy and OpenCV only, so that data sets, tests and demonstrations run on any machine, and it is
deterministic: the same arguments give the same bytes on the same machine.  Nothing else of the package is imported
here but its error.
"""
