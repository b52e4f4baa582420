"""How ``scripts/bundle`` makes an offline bundle, and, in ``installer``, what unpacks it on a machine without a network.

Python's standard library only.  The shared modules (``process``, ``hashes``) and ``installer`` are packed into the bundle as
``install.pyz``; they run on the machine that is installed to.
"""
