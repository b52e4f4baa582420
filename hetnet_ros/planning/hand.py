"""What is in the arm's hand when the planner comes to it without having put it there: it may have been started again in the
middle of a part, or have halted with one.  A part in hand that nobody vouches for never goes to the good bin.
"""

from __future__ import annotations

from hetnet_ros.planning.cell_config import CellConfig
from hetnet_ros.planning.interfaces import Arm, MustHalt, StepFailed


class Hand:
    """The hand of a cell's arm."""

    def __init__(self, arm: Arm, cell: CellConfig) -> None:
        self._arm, self._cell = arm, cell

    def doubt(self) -> str:
        """One line on why the hand may hold a part; empty where the arm tells that it does not."""
        try:
            holding = getattr(self._arm, "holding", None)  # an arm's driver may be older than this question
            held = holding(self._cell.timing.motion) if holding else None
        except (StepFailed, MustHalt) as error:
            return str(error)
        except Exception as error:  # a defect of an arm's code
            return f"the arm could not be asked whether it holds a part: {_line(error)}"
        if held is None:
            return "it is not known whether a part is in hand"
        return "a part is in hand" if held else ""

    def put_away(self) -> str:
        """Bring the part to the re-inspect side and let go of it; one line on what failed, empty if it is there now."""
        timeout = self._cell.timing.motion
        try:
            self._arm.move(self._cell.stations.reinspect, timeout)
            self._arm.release(timeout)
        except Exception as error:  # whatever it is, the part is still in hand
            return f"the part in hand could not be put away: {_line(error)}"
        return ""


def _line(error: Exception) -> str:
    kind = "" if isinstance(error, (StepFailed, MustHalt)) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())}"
