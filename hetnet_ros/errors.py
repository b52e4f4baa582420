"""The one exception for a user's mistake, and the one for Ctrl-C.

Code raises :class:`InputError` where the cause is known, worded for the person who must act: what is wrong, where, and
what to do, in one line.  The command line prints that line and exits with code 2; a node logs it and stays up.
Everything else is a defect of ours and keeps its traceback.
"""


from __future__ import annotations

from hetnet_ros.foreign_text import one_line


class InputError(ValueError):
    """Bad input or bad usage; ``str(error)`` is one line that says what, where and what to do.

    It is one line of bounded length and printable characters whatever texts from elsewhere it quotes, so that it may go to a log,
    a terminal or a message as it is.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, as a type of its own: CPython notes a plain KeyboardInterrupt that passes through an import as unhandled,
    and then dies by the signal at exit although it was handled."""
