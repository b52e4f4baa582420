"""Parts in a row that nobody inspected: with an inspector that is gone or takes no goal, the planner would empty the whole line into
the re-inspect side within seconds.
"""

from __future__ import annotations

from hetnet_ros.planning.part_cycle import PartOutcome


class Uninspected:
    """Counts them.  limit: how many in a row are too many; 0: none are."""

    def __init__(self, limit: int) -> None:
        self._limit, self._row = limit, 0

    def forget(self) -> None:
        """A person has looked."""
        self._row = 0

    def note(self, outcome: PartOutcome) -> str:
        """One line on why to halt after this part; empty while there is no reason.  A part was inspected if a view of it was judged."""
        inspected = outcome.verdict is not None and outcome.verdict.views
        self._row = 0 if inspected else self._row + 1
        if not self._limit or self._row < self._limit:
            return ""
        why = ": ".join(filter(None, (outcome.decision.reason, outcome.decision.detail)))
        return f"no view was judged of {self._row} parts in a row (policy.halt_after), of the last one because of {why}"
