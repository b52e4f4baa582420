"""Services and actions called from a thread of our own, with every way of not getting an answer told apart.

Futures are completed by the node's executor, which must be spinning in other threads.  With two servers of one name both are
asked and the faster answers, so a call is made, and its answer believed, only while there is one: else MustHalt.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient

from hetnet_ros.nodes.company import Servers
from hetnet_ros.planning.interfaces import MustHalt

_POLL_SECONDS = 0.05
_CANCEL_SECONDS = 2.0
_ABSENT_SECONDS = 1.0
"""A server that the graph does not show for this long is gone; discovery may flicker for shorter."""


class CallFailed(Exception):
    """No usable answer.  ``kind``: ``absent`` (no server), ``refused``, ``timeout``, ``lost`` (the server went away),
    ``stopped`` (this node is ending)."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class SoleActionClient(ActionClient):
    """An action client that notes when two servers answer; rclpy's own lets that end the process, or takes the first.

    owner: full name of the only node that may offer the action; empty: any.
    """

    def __init__(self, node: Any, action_type: Any, name: str, owner: str = "") -> None:
        self.name, self.owner = name, owner
        self.answered_twice = False
        self._answered: deque[tuple[str, int]] = deque(maxlen=100)
        self._lock = threading.Lock()  # rclpy makes its own only once the executor may already have seen the client
        super().__init__(node, action_type, name)

    async def execute(self, taken_data: dict[str, Any]) -> None:
        """Let only the first answer to each request through."""
        for kind in ("goal", "result"):
            if kind in taken_data:
                answer = (kind, taken_data[kind][0])
                if answer in self._answered:
                    self.answered_twice = True
                    del taken_data[kind]
                self._answered.append(answer)
        await super().execute(taken_data)


class Caller:
    """Calls on behalf of one node.  ``stop`` ends every wait, now and later.  servers: tells of several servers of one name;
    None: nobody looks."""

    def __init__(self, servers: Servers | None = None) -> None:
        self._stopped = threading.Event()
        self._servers = servers

    def stop(self) -> None:
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether every wait ends now."""
        return self._stopped.is_set()

    def sleep(self, seconds: float) -> None:
        """Wait; CallFailed if the node is ending."""
        if self._stopped.wait(seconds):
            raise CallFailed("stopped", "the planner is ending")

    def wait(self, condition: Callable[[], Any], seconds: float, what: str, kind: str = "timeout") -> None:
        """Wait until a condition holds; CallFailed of ``kind`` if it does not within ``seconds``."""
        self.sleep(0.0)  # once stopped, nothing new is begun
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= deadline:
                raise CallFailed(kind, f"waited {seconds:g} s in vain for {what}")
            self.sleep(_POLL_SECONDS)

    def service(self, client: Any, request: Any, available: float, seconds: float) -> Any:
        """The response of a service that may be asked twice to the same effect.

        It is, after half of ``seconds``: DDS can lose the answer to a client that the server has just discovered.
        """
        self.wait(client.service_is_ready, available, f"the service {client.srv_name}", "absent")
        self.sole(lambda: self._servers_of(client), available)
        futures = [client.call_async(request)]
        deadline = time.monotonic() + seconds
        try:
            while not any(future.done() for future in futures):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise CallFailed("timeout", f"waited {seconds:g} s in vain for an answer of {client.srv_name}")
                if len(futures) == 1 and left < seconds / 2:
                    futures.append(client.call_async(request))
                self.sole(lambda: self._servers_of(client))
                self.sleep(_POLL_SECONDS)
            self.sole(lambda: self._servers_of(client))
        finally:
            for future in futures:
                client.remove_pending_request(future)
        return next(future for future in futures if future.done()).result()

    def begin(self, client: SoleActionClient, goal: Any, name: str, available: float, feedback: Any = None) -> Goal:
        """Send a goal and wait until it is accepted."""
        self.wait(client.server_is_ready, available, f"the action {name}", "absent")
        self.sole(lambda: self.servers_of_action(client), available)
        accepted = client.send_goal_async(goal, feedback_callback=feedback)
        try:
            self.wait(accepted.done, available, f"{name} to accept a goal")
        except CallFailed:
            accepted.add_done_callback(_cancel_late)  # nobody is left who would wait for it
            raise
        handle = accepted.result()
        if not handle.accepted:
            raise CallFailed("refused", f"{name} refused the goal")
        return Goal(self, client, handle, name)

    def action(self, client: SoleActionClient, goal: Any, name: str, available: float, seconds: float) -> tuple[int, Any]:
        """Status (action_msgs/GoalStatus) and result of a goal.  One that takes longer than ``seconds`` is cancelled."""
        sent = self.begin(client, goal, name, available)
        try:
            return sent.result(seconds)
        except (CallFailed, MustHalt):
            sent.cancel(_CANCEL_SECONDS)
            raise

    def sole(self, trouble: Callable[[], str], seconds: float = 0.0, reason: str = "two_servers") -> None:
        """Raises MustHalt if ``trouble`` still tells of two after so long: a dead one may be on the graph for a while."""
        deadline = time.monotonic() + seconds
        while line := trouble():
            if time.monotonic() >= deadline:
                raise MustHalt(reason, line)
            self.sleep(_POLL_SECONDS)

    def servers_of_action(self, client: SoleActionClient) -> str:
        """One line on several servers of an action, also on those that have answered, or on one that is not its owner; empty
        where one server at most may answer."""
        if client.answered_twice:
            return f"two servers of the action {client.name} have answered: end all but one"
        return self._servers.of_action(client.name, client.owner) if self._servers else ""

    def _servers_of(self, client: Any) -> str:
        return self._servers.of_service(client.srv_name) if self._servers else ""


def _cancel_late(accepted: Any) -> None:
    if accepted.exception() is None and accepted.result() is not None and accepted.result().accepted:
        accepted.result().cancel_goal_async()


class Goal:
    """A goal that was accepted."""

    def __init__(self, caller: Caller, client: SoleActionClient, handle: Any, name: str) -> None:
        self._caller, self._client, self._handle, self._name = caller, client, handle, name
        self._result = handle.get_result_async()

    @property
    def done(self) -> bool:
        """Whether there is a result."""
        return self._result.done()

    def wait(
        self,
        condition: Callable[[], Any],
        seconds: float,
        what: str,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Wait until a condition holds or the goal has its result; CallFailed if neither comes or the server is gone.

        meanwhile: called again and again.
        """
        started = seen = time.monotonic()
        while not (condition() or self.done):
            meanwhile()
            self._caller.sole(lambda: self._caller.servers_of_action(self._client))
            now = time.monotonic()
            if self._client.server_is_ready():
                seen = now
            elif now - seen > _ABSENT_SECONDS:
                raise CallFailed("lost", f"{self._name} went away in the middle of a goal")
            if now - started > seconds:
                raise CallFailed("timeout", f"{self._name}: waited {seconds:g} s in vain for {what}")
            self._caller.sleep(_POLL_SECONDS)
        self._caller.sole(lambda: self._caller.servers_of_action(self._client))

    def result(self, seconds: float) -> tuple[int, Any]:
        """Status and result."""
        self.wait(lambda: False, seconds, "the result")
        answer = self._result.result()
        if answer.status == GoalStatus.STATUS_UNKNOWN:  # a server that was restarted does not know the goal
            raise CallFailed("lost", f"{self._name} does not know the goal any more")
        return answer.status, answer.result

    def cancel(self, seconds: float) -> None:
        """Ask for the end, and give it a moment: an arm should stand still before it is sent elsewhere."""
        self._handle.cancel_goal_async()
        deadline = time.monotonic() + seconds
        while not self.done and time.monotonic() < deadline and not self._caller.stopped:
            time.sleep(_POLL_SECONDS)
