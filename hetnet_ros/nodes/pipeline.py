"""Between the image subscription and the result topics: one thread that decodes, inspects and publishes verdicts, and one
that draws pictures meanwhile.

The subscription's callback only leaves the frame in a mailbox, so services, parameters and lifecycle transitions answer
while the network runs.  A change of state (paused, deactivated) starts a new epoch, and a frame of an older epoch is
not published: when ``~/enable`` has answered, nothing more comes.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from rclpy.impl.rcutils_logger import RcutilsLogger

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import one_line
from hetnet_ros.inspection.clock_watch import Moment
from hetnet_ros.inspection.frame_policy import Examination, Request, as_published, examine
from hetnet_ros.inspection.frozen_camera import FrozenCamera
from hetnet_ros.inspection.picture_budget import CameraBudget
from hetnet_ros.inspection.region_of_interest import Region
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.inspection.sample_depth import FULL
from hetnet_ros.inspection.stamp_rule import Refusal
from hetnet_ros.nodes.bridge import decode
from hetnet_ros.nodes.frames import Frame, NewestFrames
from hetnet_ros.nodes.loaded_model import LoadedModel, is_cuda_error, load_model
from hetnet_ros.nodes.locator import Locator
from hetnet_ros.nodes.measurements import Statistics
from hetnet_ros.nodes.message_conversion import inspection_message
from hetnet_ros.nodes.outputs import Outputs
from hetnet_ros.nodes.pace import Pace
from hetnet_ros.nodes.parameters import InspectorParameters
from hetnet_ros.nodes.part_inspection import Claim, PartInspection
from hetnet_ros.nodes.passed_over import Allowance, PassedOver
from hetnet_ros.nodes.picture_worker import PictureWorker
from hetnet_ros.nodes.view_settings import ViewSettings

_JOIN_SECONDS = 3.0
_LOG_PERIOD = 5.0
_MOST_TOGETHER = 8
"""Frames of several cameras inspected in one run of the network."""


class Pipeline:
    """Owns the worker thread, the model in use and the counts.

    views: what is looked at in each view.

    parameters: returns those in force, read anew for each frame.  clock: reads the node's clock.  locator: gives
    defects their place in space.
    """

    def __init__(
        self,
        parameters: Callable[[], InspectorParameters],
        clock: Callable[[], Moment],
        logger: RcutilsLogger,
        locator: Locator,
    ) -> None:
        self._locator = locator
        self.statistics = Statistics(time.monotonic())
        self._parameters = parameters
        self._clock = clock
        self._logger = logger
        self._mailbox = NewestFrames()
        self._frozen: dict[str, FrozenCamera] = {}
        self._budgets: dict[str, CameraBudget] = {}
        self._passed_over = PassedOver()
        self._looking = Allowance()
        self._looked_back: dict[str, int] = {}
        self._part: PartInspection | None = None
        self._settings = threading.Lock()
        self.views = ViewSettings()
        self._pace = Pace()
        self._pictures = PictureWorker(logger)
        self._publishing = threading.Lock()
        self._outputs: Outputs | None = None
        self._model: LoadedModel | None = None
        self._epoch = 0
        self._open = False
        self._thread: threading.Thread | None = None

    @property
    def model(self) -> LoadedModel | None:
        """The model in use."""
        return self._model

    def use_model(self, model: LoadedModel | None, why: str = "") -> None:
        """Take another model from the next frame on.  why: said to a part that is being inspected meanwhile."""
        self.change(functools.partial(setattr, self, "_model", model), why)

    @property
    def part(self) -> PartInspection | None:
        """The goal of ~/inspect_part that takes frames now.  With its end, a region from ~/roi ends too."""
        return self._part

    @part.setter
    def part(self, part: PartInspection | None) -> None:
        with self._settings:
            self._part = part
            if part is None:
                self.views.topic_region = None

    def change(self, apply: Callable[[], None], why: str) -> None:
        """Change what verdicts depend on, between two frames.  why: ends the part that is being inspected, whose views would not have
        been judged alike; empty: it does not matter for a part."""
        with self._settings:
            apply()
            if why and self._part is not None:
                self._part.spoil(f"{why} while the part was inspected")

    def start(self, outputs: Outputs) -> None:
        """Start the worker; calling again while it runs is fine."""
        self._outputs = outputs
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="inspection", daemon=True)
            self._thread.start()
            self._pictures.start()

    def stop(self) -> None:
        """End the worker for good, waiting a little for the frame in hand."""
        self.close()
        self._mailbox.close()
        self._pace.close()
        self._pictures.stop()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def open(self) -> None:
        """Inspect what comes from now on."""
        with self._publishing:
            if not self._open:
                self._epoch += 1
                self._mailbox.clear()
                self._budgets = {}  # whoever has set a camera up anew activates the inspector again
                self._open = True

    def close(self) -> None:
        """Inspect nothing more; after this has returned, nothing more is published."""
        with self._publishing:
            self._epoch += 1
            self._open = False
            self._mailbox.clear()

    def deliver(self, message: Any, camera: str = "", refusal: Refusal | None = None) -> None:
        """Take an image message from a camera's subscription; only notes it, whatever it holds.  refusal: why it will not be
        judged."""
        frame = Frame(message, time.monotonic(), camera, refusal)
        self.statistics.image_received(frame.received, frame.stamp_ns, camera)
        if not self._open:
            self.statistics.image_ignored()
            self._passed_over.put(frame)
        elif (replaced := self._mailbox.put(frame)) is not None:
            self.statistics.image_dropped()
            self._passed_over.put(replaced)

    def _work(self) -> None:
        while True:
            self._pace.wait(lambda: self._parameters().max_rate)
            frames = self._mailbox.take(_MOST_TOGETHER)
            if not frames:
                return
            self._pace.note()
            with self._settings:  # all of one time
                epoch, model, part, parameters = self._epoch, self._model, self._part, self._parameters()
            if not self._open or model is None:
                continue
            try:
                self._inspect(frames, epoch, model, part, parameters)
            except (
                Exception
            ):  # the thread must outlive any defect; a dead worker would look like a camera without images
                if not rclpy.ok():
                    return  # the process is ending, and what could not be published says nothing new
                self._logger.error(
                    f"a frame could not be processed\n{traceback.format_exc()}", throttle_duration_sec=_LOG_PERIOD
                )

    def _inspect(
        self, frames: list[Frame], epoch: int, model: LoadedModel, part: PartInspection | None, parameters: InspectorParameters
    ) -> None:
        begun = time.monotonic()
        rested = [frame.camera for frame in frames if self._looked_back.get(frame.camera) != epoch]
        self._look_back(rested, parameters, hurry=False)  # what came during a pause came before this
        self._looked_back.update(dict.fromkeys(rested, epoch))
        claims = [part.claim(frame.camera, frame.stamp_ns, self.views.shown) if part else None for frame in frames]
        try:
            looks = [self.views.of(claim.view_id if claim else "") for claim in claims]
            models = [own or model for own, _ in looks]
            requests = [
                self._request(frame, its, region, claim) for frame, its, (_, region), claim in zip(frames, models, looks, claims)
            ]
            for frame, claim, its, examination in zip(
                frames, claims, models, examine(requests, parameters.frame_rules, self._clock)
            ):
                self._tell(frame, claim, part, its, examination, epoch, parameters)
        finally:
            for claim in filter(None, claims):
                part.release(claim)
        self._looking.earn(time.monotonic() - begun)
        self._look_back([frame.camera for frame in frames], parameters, hurry=True)

    def _look_back(self, cameras: list[str], parameters: InspectorParameters, *, hurry: bool) -> None:
        """Remember pictures of these cameras that were not inspected; in a hurry, as far as the allowance goes."""
        for camera in cameras:
            while (not hurry or self._looking.left) and (frame := self._passed_over.take(camera)) is not None:
                if parameters.frozen_after == 0:
                    continue
                begun = time.thread_time()
                with contextlib.suppress(Exception):  # a picture that cannot be decoded will not be inspected either
                    self._frozen.setdefault(camera, FrozenCamera()).look(self._decode(frame), frame.stamp_ns)
                self._looking.spend(time.thread_time() - begun)

    def _request(self, frame: Frame, model: LoadedModel, region: Region | None, claim: Claim | None) -> Request:
        message, camera = frame.message, self._frozen.setdefault(frame.camera, FrozenCamera())
        size = (getattr(message, "height", 0), getattr(message, "width", 0))
        others = [other for name, other in self._frozen.items() if name != frame.camera] if claim else []
        return Request(
            frame.stamp_ns, functools.partial(self._decode, frame, model), model.inspector, size, region, camera, claim is not None,
            frame.refusal, others,
        )

    def _decode(self, frame: Frame, model: LoadedModel | None = None) -> np.ndarray:
        """The frame's pixels as ``model``, or the one in force, reads its camera's values."""
        model, budget = model or self._model, self._budgets.setdefault(frame.camera, CameraBudget())
        return decode(frame.message, model.inspector.card.sample_bits if model else FULL, budget)

    def _tell(
        self,
        frame: Frame,
        claim: Claim | None,
        part: PartInspection | None,
        model: LoadedModel,
        examination: Examination,
        epoch: int,
        parameters: InspectorParameters,
    ) -> None:
        header, outputs = frame.message.header, self._outputs
        message = inspection_message(
            header, examination.inspection, parameters.part_id or model.part_name, examination.timings
        )
        message.camera = frame.camera
        if claim:
            message.view_id, message.part_id = claim.view_id, part.goal.part_id or message.part_id
        self._locator.fill(message, examination.inspection, parameters)

        def publish() -> None:
            nonlocal examination
            examination = as_published(examination, frame.stamp_ns, parameters.frame_rules, self._clock())
            judged = examination.inspection
            message.verdict, message.reason, message.detail = int(judged.verdict), judged.reason, judged.detail
            outputs.publish_inspection(message)

        if not self._publish(epoch, publish):
            return
        if claim:
            part.settle(claim, frame.stamp_ns, examination.inspection, model.inspector.calibration, message)
        self._count(examination)
        for send in outputs.space.messages(message, parameters):
            self._publish(epoch, send)
        pictures = outputs.pictures(header, examination, model, parameters)
        self._pictures.draw(frame.camera, pictures, lambda send: self._publish(epoch, send))
        self._report(examination)
        if examination.error is not None and is_cuda_error(examination.error):
            self._leave_cuda(model, parameters, examination.error)

    def _publish(self, epoch: int, publish: Callable[[], None]) -> bool:
        """Publish, and return True, unless the pipeline was closed since the frame was taken."""
        with self._publishing:
            if epoch != self._epoch:
                return False
            publish()
            return True

    def _count(self, examination: Examination) -> None:
        inspection, now = examination.inspection, time.monotonic()
        if examination.bad_image:
            self.statistics.image_bad(now, examination.bad_image)
        outcome = inspection.reason if inspection.verdict is Verdict.UNCERTAIN else inspection.verdict.name
        self.statistics.inspection_published(now, outcome, examination.timings)

    def _report(self, examination: Examination) -> None:
        inspection = examination.inspection
        if examination.fault:
            self._logger.error(f"{one_line(inspection.detail)}\n{examination.fault}", throttle_duration_sec=_LOG_PERIOD)
        elif inspection.verdict is Verdict.UNCERTAIN and inspection.reason != "borderline":
            self._logger.warning(
                f"UNCERTAIN, {inspection.reason}: {one_line(inspection.detail)}", throttle_duration_sec=_LOG_PERIOD
            )

    def _leave_cuda(self, failed: LoadedModel, parameters: InspectorParameters, cause: Exception) -> None:
        """Load the model again on the CPU after the GPU failed, where the parameter allows it."""
        if not parameters.allow_cpu_fallback or self._model is not failed:
            return
        self._logger.error("CUDA failed during inference; loading the model on the CPU, as allow_cpu_fallback permits")
        try:
            loaded = load_model(failed.path, "cpu", False, parameters.threads, parameters.backend, parameters.public_key)
        except InputError as error:
            self._logger.error(f"the model cannot be loaded on the CPU: {error}", throttle_duration_sec=_LOG_PERIOD)
            return
        if loaded.inspector.model_id != failed.inspector.model_id:  # the file was replaced meanwhile; nobody has asked for that model
            self._logger.error(f"{failed.path} now holds the model {loaded.inspector.model_id}, not {failed.inspector.model_id}, and is not taken: "
                               "call ~/load_model if it is to judge", throttle_duration_sec=_LOG_PERIOD)
            return
        reason = f"CUDA failed during inference ({' '.join(str(cause).split())[:200]})"
        if self._model is failed:
            self._model = LoadedModel(loaded.path, loaded.inspector, loaded.seconds, fell_back=reason)
