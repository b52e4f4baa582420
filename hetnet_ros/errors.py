"""The one exception for a user's mistake, and the one for Ctrl-C.

Code raises :class:`InputError` where the cause is known, worded for the person who must act: what is wrong, where, and
what to do, in one line.  The command line prints that line and exits with code 2; a node logs it and stays up.
Everything else is a defect of ours and keeps its traceback.
"""


class InputError(ValueError):
    """Bad input or bad usage; ``str(error)`` is one line that says what, where and what to do."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, as a type of its own: CPython notes a plain KeyboardInterrupt that passes through an import as unhandled,
    and then dies by the signal at exit although it was handled."""
