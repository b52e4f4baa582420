"""HetNet as plain torch modules (Yu et al., IROS 2025, arXiv 2506.16050); they know tensors, not devices or ROS."""
