# Sourced, never run: the bash environment in which hetnet_ros runs out of this checkout, once scripts/setup has run.
#
#   . scripts/environment.sh         then `hetnet ...`, `colcon ...`, `python -m pytest ...`
#
# A ROS installation sourced earlier is left out on purpose: its message libraries and those of the wheels in the
# virtual environment must not meet in one process.

HETNET_ROOT=$(CDPATH= cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
HETNET_VENV=${HETNET_VENV:-$HETNET_ROOT/.venv}
case $HETNET_VENV in /*) ;; *) HETNET_VENV=$PWD/$HETNET_VENV ;; esac
export HETNET_ROOT HETNET_VENV

_hetnet_without_ros() { # prints a path list without its entries in a ROS installation, each followed by a colon
  local IFS=: entry
  for entry in $1; do
    case $entry in "" | /opt/ros/*) ;; *) printf '%s:' "$entry" ;; esac
  done
}

unset PYTHONPATH PYTHONHOME AMENT_CURRENT_PREFIX COLCON_CURRENT_PREFIX COLCON_PREFIX_PATH ROS_DISTRO ROS_VERSION \
  ROS_PYTHON_VERSION _ROS_WHEELS_BOOTSTRAP_COMPLETE
PATH=$HETNET_VENV/bin:$(_hetnet_without_ros "$PATH")
export PATH=${PATH%:} VIRTUAL_ENV=$HETNET_VENV AMENT_PREFIX_PATH=$HETNET_VENV CMAKE_PREFIX_PATH=$HETNET_VENV
LD_LIBRARY_PATH=$(_hetnet_without_ros "${LD_LIBRARY_PATH:-}")
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH%:}
[ -n "$LD_LIBRARY_PATH" ] || unset LD_LIBRARY_PATH
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp # the only one there is as a wheel
# Camera images do not fit Fast DDS's default shared memory; see the file.
export FASTDDS_DEFAULT_PROFILES_FILE=${FASTDDS_DEFAULT_PROFILES_FILE:-$HETNET_ROOT/config/fastdds_shm.xml}

if [ -f "$HETNET_ROOT/.ros/install/local_setup.bash" ]; then
  case $- in *u*) _hetnet_restore="set -u" ;; *) _hetnet_restore=: ;; esac
  set +u # colcon's file reads variables that may be unset
  . "$HETNET_ROOT/.ros/install/local_setup.bash"
  $_hetnet_restore
  unset _hetnet_restore
fi
unset -f _hetnet_without_ros
