"""rosbag2 recordings in, messages out, without ROS: sqlite3 and mcap, plain or compressed, whole or damaged.

A recording that ends with a cell's power or a full disk is the one that people most want to look at.  So everything here
streams, one message at a time and in the order of recording, goes on after what cannot be read, and keeps a line about
each loss.  ``rosbags`` knows the message types and writes bags; its reader is not used, because it refuses a damaged bag
as a whole, needs an index, and unpacks a compressed one to disk first.  mcap records come from the ``mcap`` library.
"""

from hetnet_ros.inspection.bags.bag import Bag, is_bag, open_bag
from hetnet_ros.inspection.bags.frames import BagFrame, choose_topics, image_frames, largest_sample
from hetnet_ros.inspection.bags.recorded_parts import recorded_parts
from hetnet_ros.inspection.bags.records import BagTopic, Record

__all__ = [
    "Bag",
    "BagFrame",
    "BagTopic",
    "Record",
    "choose_topics",
    "image_frames",
    "is_bag",
    "largest_sample",
    "open_bag",
    "recorded_parts",
]
