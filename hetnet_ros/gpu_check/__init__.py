"""What ``hetnet gpu-check`` measures: parts of a check of a GPU, each run as a process of its own."""
