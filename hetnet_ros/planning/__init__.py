"""What a cell does with verdicts: the description of the cell, and the steps that take a part to its bin.  No ROS here."""
