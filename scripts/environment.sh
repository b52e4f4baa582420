# Sourced, never run: the shell environment in which hetnet_ros runs out of this checkout.
#
#   . scripts/environment.sh         then `hetnet ...`, `colcon ...`, `python -m pytest ...`
#
# scripts/setup makes what this points to.  A ROS installation sourced earlier is left out on purpose: its message
# libraries and those of the wheels in the virtual environment must not be mixed in one process.

HETNET_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
HETNET_VENV=${HETNET_VENV:-$HETNET_ROOT/.venv}
case $HETNET_VENV in /*) ;; *) HETNET_VENV=$PWD/$HETNET_VENV ;; esac
export HETNET_ROOT HETNET_VENV

_hetnet_without_ros() { # drops the entries of a path list that lie in a ROS installation
  printf '%s' "$1" | tr ':' '\n' | grep -v '^/opt/ros/' | paste -sd: -
}

if [ -n "${ROS_DISTRO:-}" ] && [ -z "${HETNET_ENVIRONMENT:-}" ]; then
  echo "hetnet_ros: using the ROS 2 of $HETNET_VENV, not the $ROS_DISTRO this shell has sourced." >&2
fi
unset PYTHONPATH PYTHONHOME AMENT_CURRENT_PREFIX COLCON_CURRENT_PREFIX COLCON_PREFIX_PATH ROS_DISTRO ROS_VERSION \
  ROS_PYTHON_VERSION _ROS_WHEELS_BOOTSTRAP_COMPLETE
LD_LIBRARY_PATH=$(_hetnet_without_ros "${LD_LIBRARY_PATH:-}")
PATH=$HETNET_VENV/bin:$(_hetnet_without_ros "$PATH")
if [ -n "$LD_LIBRARY_PATH" ]; then export LD_LIBRARY_PATH; else unset LD_LIBRARY_PATH; fi
export PATH
export VIRTUAL_ENV=$HETNET_VENV
export AMENT_PREFIX_PATH=$HETNET_VENV CMAKE_PREFIX_PATH=$HETNET_VENV
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp # the only one there is as a wheel
# Camera images do not fit Fast DDS's default shared memory; see the file.
export FASTDDS_DEFAULT_PROFILES_FILE=${FASTDDS_DEFAULT_PROFILES_FILE:-$HETNET_ROOT/config/fastdds_shm.xml}
export HETNET_ENVIRONMENT=1

if [ -f "$HETNET_ROOT/.ros/install/local_setup.bash" ]; then
  . "$HETNET_ROOT/.ros/install/local_setup.bash"
fi
