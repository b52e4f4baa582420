"""HetNet anomaly inspection for robotic cells.

The generated ROS interface modules (``hetnet_ros.msg``, ``.srv``, ``.action``) are installed into a package of this
same name.  ``extend_path`` joins the two, so that neither the source tree nor an overlay hides the generated half.
"""

__path__ = __import__("pkgutil").extend_path(__path__, __name__)

__version__ = "0.1.0"
