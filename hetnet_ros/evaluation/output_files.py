"""Output files of the commands; see :mod:`hetnet_ros.whole_files`, which writes all files of the package."""

from __future__ import annotations

from hetnet_ros.whole_files import check_output_file, check_output_folder, write_file

__all__ = ["check_output_file", "check_output_folder", "write_file"]
