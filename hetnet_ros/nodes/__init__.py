"""The only ROS code of the package: thin nodes over the rooms that do the work."""

import os

# OpenBLAS's helper threads spin for tens of ms after each product that numpy gives them, on the cores that the network
# needs; it reads this when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
