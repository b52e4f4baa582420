"""HetNet anomaly inspection for robotic cells.

The generated ROS interface modules (``hetnet_ros.msg``, ``.srv``, ``.action``) are installed into a package of this
same name.  ``extend_path`` joins the two, so that neither the source tree nor an overlay hides the generated half.
"""

import os

# torch's OpenMP threads wait for each other by spinning.  On a machine with other work that is ruinous: two teaching runs side by
# side on two cores took 16 s a step instead of 0.4 s.  Sleeping costs a sixth on an idle machine.  It must be set before
# torch is loaded; whoever sets the variable keeps the choice.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__path__ = __import__("pkgutil").extend_path(__path__, __name__)

__version__ = "0.1.0"
