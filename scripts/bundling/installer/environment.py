"""Writes ``environment.sh``, the one line that makes an installation the one in use, whether a virtual environment or a folder."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

HEAD = """\
# Sourced, never run:  . {here}/environment.sh     Written when hetnet_ros was installed here from an offline bundle.
_hetnet={folder}
unset PYTHONHOME
export PATH="$_hetnet/bin:$PATH"
export HF_HUB_OFFLINE="${{HF_HUB_OFFLINE:-1}}"
# Camera images do not fit Fast DDS's default shared memory; see the file.
export FASTDDS_DEFAULT_PROFILES_FILE="${{FASTDDS_DEFAULT_PROFILES_FILE:-$_hetnet/share/hetnet_ros/config/fastdds_shm.xml}}"
"""
# The message libraries of a ROS installation sourced earlier and those of the wheels must not meet in one process.
ROS = """\
_hetnet_rest=${PATH}:
PATH=
while [ -n "$_hetnet_rest" ]; do
  case ${_hetnet_rest%%:*} in "" | /opt/ros/*) ;; *) PATH=${PATH:+$PATH:}${_hetnet_rest%%:*} ;; esac
  _hetnet_rest=${_hetnet_rest#*:}
done
_hetnet_rest=${PYTHONPATH:-}:
PYTHONPATH=
while [ -n "$_hetnet_rest" ]; do
  case ${_hetnet_rest%%:*} in "" | /opt/ros/*) ;; *) PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}${_hetnet_rest%%:*} ;; esac
  _hetnet_rest=${_hetnet_rest#*:}
done
_hetnet_rest=${LD_LIBRARY_PATH:-}:
LD_LIBRARY_PATH=
while [ -n "$_hetnet_rest" ]; do
  case ${_hetnet_rest%%:*} in "" | /opt/ros/*) ;; *) LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${_hetnet_rest%%:*} ;; esac
  _hetnet_rest=${_hetnet_rest#*:}
done
export PATH PYTHONPATH LD_LIBRARY_PATH
unset _hetnet_rest AMENT_CURRENT_PREFIX COLCON_CURRENT_PREFIX COLCON_PREFIX_PATH ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION \\
  _ROS_WHEELS_BOOTSTRAP_COMPLETE
export AMENT_PREFIX_PATH="$_hetnet" CMAKE_PREFIX_PATH="$_hetnet"
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp # the only one there is as a wheel
"""
# In a virtual environment the wheels find their libraries by themselves: Python starts anew once.  In a folder it does not.
LIBRARIES = """\
export LD_LIBRARY_PATH={libraries}"${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
"""
VENV = """\
export VIRTUAL_ENV="$_hetnet"
"""
ALONE = """\
unset PYTHONPATH
"""
FOLDER = """\
export PYTHONPATH={site}"${{PYTHONPATH:+:$PYTHONPATH}}"
"""


def write_environment(folder: Path, site: Path, as_venv: bool, ros: bool, torch: bool) -> None:
    """``environment.sh`` in ``folder``.  site: its site-packages; ros, torch: whether the bundle brought them."""
    text = HEAD.format(here=folder, folder=shlex.quote(str(folder)))
    if ros:
        text += ROS
    if as_venv:
        text += VENV + (ALONE if ros and torch else "")
    else:
        text += FOLDER.format(site=shlex.quote(str(site)))
        if ros:
            libraries = [folder / "lib", *sorted(site.glob("ros_*.libs"))]
            text += LIBRARIES.format(libraries=shlex.quote(os.pathsep.join(map(str, libraries))))
    (folder / "environment.sh").write_text(text + "unset _hetnet\n")
