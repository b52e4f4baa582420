"""The ``inspector`` node: a managed node that turns camera images into verdicts.

It only wires things together: lifecycle states, parameters and services here; images in :mod:`image_source`; the worker
in :mod:`pipeline`; results in :mod:`outputs`; health in :mod:`diagnostics`.  Transitions, services, parameters and
images each have their own callback group, so none waits for another. docs/interface.md lists what the node offers.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.lifecycle import NodeMixin as LifecycleNodeMixin
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_NAME, fits_name, one_line, shown
from hetnet_ros.inspection.recipe import Recipe, load_recipe
from hetnet_ros.nodes import parameters as inspector_parameters
from hetnet_ros.nodes.diagnostics import Health, diagnostic_statuses
from hetnet_ros.nodes.image_source import ImageSource
from hetnet_ros.nodes.loaded_model import LoadedModel, check_alike, load_model
from hetnet_ros.nodes.locator import Locator
from hetnet_ros.nodes.neighbours import Neighbours
from hetnet_ros.nodes.outputs import Outputs
from hetnet_ros.nodes.part_action import PartInspectionServer
from hetnet_ros.nodes.pipeline import Pipeline
from hetnet_ros.nodes.process import run_node
from hetnet_ros.nodes.watched_clock import WatchedClock
from hetnet_ros.srv import LoadModel

_CONNECT_PERIOD = 0.25
"""Seconds between two looks at the image topic's publishers."""


class Inspector(LifecycleNode):
    """The managed node; see the module's docstring and docs/interface.md."""

    def __init__(self, **options: Any) -> None:
        """``options`` go to :class:`rclpy.node.Node`, for example ``parameter_overrides`` or ``context``.

        Raises InputError, or rclpy's own exceptions, for parameters that are not allowed.
        """
        Node.__init__(self, "inspector", **options)
        # Its own reentrant group, so that the state can be asked for while a transition loads a model.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        self._locator = Locator(self, MutuallyExclusiveCallbackGroup())
        self._pipeline = Pipeline(
            lambda: self._settings, WatchedClock(self.get_clock()).read, self.get_logger(), self._locator
        )
        self._parts: PartInspectionServer | None = None
        self._settings = inspector_parameters.declare(self)
        for warning in inspector_parameters.unknown_names(self._parameter_overrides):
            self.get_logger().warning(warning)
        self._loaded_by_service = False
        self._failure = ""
        self._switch = threading.Lock()
        self._enabled = True
        self._activated = False
        self._expecting_since = time.monotonic()
        self._outputs: Outputs | None = None
        self._sources = [
            ImageSource(
                self,
                MutuallyExclusiveCallbackGroup(),
                functools.partial(self._deliver, camera=camera),
                transport=self._settings.image_transport,
                reliability=self._settings.image_qos_reliability,
                depth=self._settings.image_qos_depth,
                camera=camera,
            )
            for camera in self._settings.cameras
        ]
        topics = [source.topic for source in self._sources]
        if len(set(topics)) < len(topics):
            shared = next(topic for topic in topics if topics.count(topic) > 1)
            raise InputError(f"several of the cameras {', '.join(self._settings.cameras)} have the topic {shared}: one camera would count as two; "
                             "remap each to its own")
        light = MutuallyExclusiveCallbackGroup()
        views = self._pipeline.views
        self._neighbours = Neighbours(self, light, views.announce, views.restrict if self._settings.accept_roi else None)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.add_on_set_parameters_callback(self._on_parameters)
        self.create_service(SetBool, "~/enable", self._on_enable, callback_group=MutuallyExclusiveCallbackGroup())
        self.create_service(
            LoadModel, "~/load_model", self._on_load_model, callback_group=MutuallyExclusiveCallbackGroup()
        )
        self._diagnostics_timer = self._every(self._settings.diagnostics_period, self._publish_diagnostics)
        self._every(_CONNECT_PERIOD, self._connect)
        self._start_timer = self._every(0.01, self._autostart) if self._settings.autostart else None

    # ---- lifecycle ---------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and warm the model, create the result topics, start the worker."""
        return self._transition("configure", state, self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to inspect and publish."""
        return self._transition("activate", state, self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop inspecting; the model stays loaded."""
        return self._transition("deactivate", state, self._deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the model."""
        return self._transition("cleanup", state, self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the worker and let go of the model; the node is of no further use."""
        return self._transition("shutdown", state, self._end)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an error that no transition handled: let go of everything and start again from unconfigured."""
        return self._transition("error recovery", state, self._release)

    def _transition(
        self, name: str, state: LifecycleState, work: Callable[[LifecycleState], None]
    ) -> TransitionCallbackReturn:
        """Run a transition.  rclpy swallows what a transition raises, so it is logged here with its cause."""
        try:
            work(state)
        except InputError as error:
            self._failure = f"{name} failed: {error}"
            self.get_logger().error(self._failure)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            if not rclpy.ok(context=self.context):
                return TransitionCallbackReturn.FAILURE  # the process was told to end meanwhile
            self._failure = f"{name} failed: {type(error).__name__}: {' '.join(str(error).split())}"
            self.get_logger().error(f"{self._failure}\n{traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        self._failure = ""
        return TransitionCallbackReturn.SUCCESS

    def _configure(self, state: LifecycleState) -> None:
        self._pipeline.use_model(None)
        given = self._settings
        loading = given.device, given.allow_cpu_fallback, given.threads, given.backend, given.public_key
        model = load_model(given.model, *loading)
        views = self._pipeline.views
        views.recipe = load_recipe(given.recipe) if given.recipe else Recipe()
        views.models = {
            path: load_model(path, *loading)
            for path in views.recipe.models
        }
        check_alike([model, *views.models.values()])
        if self._outputs is None:
            self._outputs = Outputs(self)
            self._parts = PartInspectionServer(self, self._pipeline, lambda: self._settings, self._idle_reason)
        LifecycleNode.on_configure(self, state)
        self._announce(model)
        self._pipeline.use_model(model)
        self._pipeline.start(self._outputs)
        self._connect()

    def _activate(self, state: LifecycleState) -> None:
        LifecycleNode.on_activate(self, state)
        self._set_switch(activated=True)
        self.get_logger().info(
            f"inspecting {self._topics}" if self._enabled else "active, but paused by ~/enable"
        )

    def _deactivate(self, state: LifecycleState) -> None:
        self._set_switch(activated=False)
        LifecycleNode.on_deactivate(self, state)

    def _release(self, state: LifecycleState) -> None:
        self._set_switch(activated=False)
        self._pipeline.use_model(None)
        self._pipeline.views.topic_region = None
        LifecycleNode.on_cleanup(self, state)

    def _end(self, state: LifecycleState) -> None:
        self._set_switch(activated=False)
        self._pipeline.stop()
        self._pipeline.use_model(None)
        LifecycleNode.on_shutdown(self, state)

    def _autostart(self) -> None:
        """Configure and activate once, after the node has begun to spin."""
        self._start_timer.cancel()
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def destroy_node(self) -> None:
        """Stop the worker before its publishers go."""
        if self._parts is not None:
            self._parts.close()
        if self._pipeline is not None:
            self._pipeline.stop()
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()  # it would keep the node on the graph, as a twin of the next inspector

    # ---- services and parameters -------------------------------------------------------------------------------------

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._set_switch(enabled=request.data)
        response.success = True
        response.message = f"{'enabled' if request.data else 'paused'}; the node is {self._state}"
        return response

    def _set_switch(self, *, activated: bool | None = None, enabled: bool | None = None) -> None:
        """Inspect if the node is active and enabled; transitions and the service may come at the same time."""
        with self._switch:
            self._activated = self._activated if activated is None else activated
            self._enabled = self._enabled if enabled is None else enabled
            self._expecting_since = time.monotonic()
            if self._activated and self._enabled:
                self._pipeline.open()
            else:
                if self._parts is not None:  # it may be open again before a goal has looked
                    self._parts.end("inspector_inactive", "the inspector was paused or left the state active")
                self._pipeline.close()

    def _on_load_model(self, request: LoadModel.Request, response: LoadModel.Response) -> LoadModel.Response:
        before = self._pipeline.model
        given = self._settings
        try:
            if before is None:
                raise InputError(f"the node is {self._state}: set the parameter model and configure it first")
            if not request.model_path:
                raise InputError("model_path is empty: give the absolute path of a .safetensors model on this machine")
            if not fits_name(request.part_id):
                raise InputError(f"part_id is {shown(request.part_id, 60)!r}: give at most {MOST_IN_NAME} printable characters")
            model = load_model(
                request.model_path, given.device, given.allow_cpu_fallback, given.threads, given.backend, given.public_key
            )
            check_alike([model, *self._pipeline.views.models.values()])
            if self._pipeline.model is not before:
                raise InputError(f"the node's model went or was exchanged while this one was loading (it is {self._state}); it was not taken: "
                                 "call again")
            self._take_over(model, request.part_id)
            response.success, response.message = True, model.summary
        except Exception as error:
            if isinstance(error, InputError):
                response.message = str(error)
            else:
                response.message = f"{type(error).__name__}: {one_line(error)}"
                if rclpy.ok(context=self.context):  # else the process was told to end meanwhile
                    self.get_logger().error(traceback.format_exc())
            self.get_logger().error(f"load_model failed: {response.message}")
        current = self._pipeline.model
        response.model_id = current.inspector.model_id if current else ""
        return response

    def _take_over(self, model: LoadedModel, part_id: str) -> None:
        """Switch to a loaded model; the parameters tell of it, and keep it over cleanup and configure."""
        self._loaded_by_service = True
        try:
            self.set_parameters_atomically([Parameter("model", value=model.path), Parameter("part_id", value=part_id)])
        finally:
            self._loaded_by_service = False
        self._announce(model)
        self._pipeline.use_model(model, f"another model was loaded ({model.inspector.model_id}, ~/load_model)")

    def _on_parameters(self, given: Sequence[Parameter]) -> SetParametersResult:
        changes = {parameter.name: parameter.value for parameter in given}
        loaded = self._state != "unconfigured" and not self._loaded_by_service
        try:
            settings = inspector_parameters.changed(self._settings, changes, loaded=loaded)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        named = inspector_parameters.bearing_changes(self._settings, settings)
        if changes.get("use_sim_time", self.get_clock().ros_time_is_active) != self.get_clock().ros_time_is_active:
            named.append("use_sim_time")
        self._pipeline.change(functools.partial(setattr, self, "_settings", settings),
                              f"the parameter {', '.join(named)} was set" if named and not self._loaded_by_service else "")
        if "diagnostics_period" in changes:
            self._diagnostics_timer.timer_period_ns = int(self._settings.diagnostics_period * 1e9)
        return SetParametersResult(successful=True)

    # ---- input and health --------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._neighbours.look()
        if self._outputs is not None:  # nothing is subscribed to before the first configure
            for source in self._sources:
                source.connect()
            self._locator.connect(self._settings)

    def _deliver(self, message: Any, trouble: str, camera: str) -> None:
        self._pipeline.deliver(message, camera, self._neighbours.refusal(trouble))

    @property
    def _topics(self) -> str:
        return ", ".join(source.topic for source in self._sources)

    def _idle_reason(self) -> tuple[str, str]:
        """Reason and detail why no part is inspected; both empty while it is."""
        if self._neighbours.twin:
            return "two_inspectors", self._neighbours.twin
        if not self._activated:
            return "inspector_inactive", f"the inspector is {self._state}"
        return ("", "") if self._enabled else ("inspector_inactive", "inspection is paused by ~/enable")

    def _publish_diagnostics(self) -> None:
        message = DiagnosticArray(status=diagnostic_statuses(self._health()))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _health(self) -> Health:
        now = time.monotonic()
        model, counts, state = self._pipeline.model, self._pipeline.statistics.snapshot(now), self._state
        waited = None
        if state == "active" and self._enabled:
            waited = min(
                now - self._expecting_since, float("inf") if counts.since_input is None else counts.since_input
            )
        return Health(
            node=self.get_fully_qualified_name().lstrip("/"),
            state=state,
            failure=self._failure,
            enabled=self._enabled,
            model=model,
            part_id=self._settings.part_id or (model.part_name if model else ""),
            topic=self._topics,
            publishers=sum(source.publishers for source in self._sources),
            reliability=", ".join(dict.fromkeys(source.reliability for source in self._sources)),
            incompatible="; ".join(filter(None, (source.incompatible for source in self._sources))),
            crowd="; ".join(filter(None, (*(source.crowd for source in self._sources), *self._neighbours.crowds))),
            twin=self._neighbours.twin,
            waited=waited,
            input_timeout=self._settings.input_timeout,
            counts=counts,
        )

    def _announce(self, model: LoadedModel) -> None:
        self.get_logger().info(model.summary)
        if model.inspector.choice:
            self.get_logger().info(f"backend auto: {model.inspector.choice}")
        if model.fell_back:
            self.get_logger().warning(f"running on the CPU: {model.fell_back}")

    @property
    def _state(self) -> str:
        """Lifecycle state, for example ``active`` or ``configuring``."""
        return self._state_machine.current_state[1]

    def _every(self, seconds: float, callback: Callable[[], None]):  # noqa: ANN202 - the timer's type moved between distributions
        """A timer on the steady clock: health must be told also when simulated time stands still."""
        return self.create_timer(
            seconds,
            callback,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to stop; returns the exit code."""
    return run_node(Inspector, args, threads=6)


if __name__ == "__main__":
    sys.exit(main())
