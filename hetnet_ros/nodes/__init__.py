"""The only ROS code of the package: thin nodes over the rooms that do the work."""
