"""The inspector's health as diagnostic_msgs, worded for the person who is called when the cell stops.

Three statuses, so that the cause shows at a glance: is there input, is it being inspected, with which model.  They go
out in every state of the node, also before it is configured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from hetnet_ros.inspection.stamp_rule import STAMP_REASONS
from hetnet_ros.nodes.loaded_model import LoadedModel
from hetnet_ros.nodes.measurements import WINDOW_SECONDS, Snapshot

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE



@dataclass(frozen=True)
class Health:
    """What the diagnostics are made from.

    node: full name of the node, so that two cells are told apart on one /diagnostics. state: lifecycle state; failure:
    why the last transition failed, empty if it did not. waited: s since the node began to expect images or got the last
    one, None while it expects none. crowd: topics with several publishers; twin: other nodes of this name; each one line,
    empty where there is none.
    """

    node: str
    state: str
    failure: str
    enabled: bool
    part_id: str
    model: LoadedModel | None
    topic: str
    publishers: int
    reliability: str
    incompatible: str
    crowd: str
    twin: str
    waited: float | None
    input_timeout: float
    counts: Snapshot

    @property
    def inspecting(self) -> bool:
        return self.state == "active" and self.enabled


def diagnostic_statuses(health: Health) -> list[DiagnosticStatus]:
    """The statuses ``<node>: input``, ``<node>: inspection`` and ``<node>: model``."""
    device = health.model.inspector.device if health.model else "none"
    return [
        _status(health, "input", _input_findings(health), _input_values(health), device),
        _status(health, "inspection", _inspection_findings(health), _inspection_values(health), device),
        _status(health, "model", _model_findings(health), _model_values(health), device),
    ]


def _input_findings(health: Health) -> list[tuple[bytes, str]]:
    counts, findings = health.counts, []
    if health.waited is not None and health.waited > health.input_timeout:
        who = f"{health.publishers} publisher{'' if health.publishers == 1 else 's'}"
        findings.append((ERROR, f"no image on {health.topic} for {health.waited:.1f} s ({who})"))
    if health.crowd:
        findings.append((ERROR, health.crowd))
    elif health.twin == "" and dict(counts.recent_refused).get("two_publishers"):
        findings.append((ERROR, f"there were two publishers in the last {WINDOW_SECONDS:g} s"))
    if health.incompatible:
        findings.append((WARN, health.incompatible))
    old = [(reason, count) for reason, count in counts.recent_refused if reason in STAMP_REASONS]
    if old:
        level = STALE if any(reason == "stale" for reason, _ in old) else ERROR
        findings.append(
            (level, "stamps refused in the last 10 s: " + ", ".join(f"{count} {reason}" for reason, count in old))
        )
    frozen = dict(counts.recent_refused).get("frozen_camera")
    if frozen:
        findings.append((ERROR, f"the camera repeats its picture: {frozen} times in the last {WINDOW_SECONDS:g} s"))
    if counts.recent_bad:
        causes = ", ".join(cause for cause, _ in counts.bad_images)
        findings.append(
            (WARN, f"{counts.recent_bad} bad images in the last {WINDOW_SECONDS:g} s (so far seen: {causes})")
        )
    return findings or [(OK, f"images at {counts.input_rate:.1f} Hz" if counts.received else "no image yet")]


def _inspection_findings(health: Health) -> list[tuple[bytes, str]]:
    if health.twin:
        return [(ERROR, health.twin)]
    if health.failure:
        return [(ERROR, health.failure)]
    if health.state != "active":
        return [(OK, f"not inspecting: {health.state}")]
    if not health.enabled:
        return [(WARN, "not inspecting: paused by ~/enable")]
    refused = dict(health.counts.recent_refused)
    findings = []
    if refused.get("inference_failed"):
        findings.append(
            (
                ERROR,
                f"inference failed {refused['inference_failed']} times in the last {WINDOW_SECONDS:g} s; "
                "the log has the cause",
            )
        )
    regions = [f"{count} {reason}" for reason, count in refused.items() if reason.startswith("roi_")]
    if regions:
        findings.append((ERROR, f"no region to inspect in the last {WINDOW_SECONDS:g} s: {', '.join(regions)}; set the parameter roi, "
                                "the recipe or ~/roi to a region inside the image"))
    foreign = [f"{count} {reason}" for reason, count in refused.items() if reason.startswith("out_of_domain")]
    if foreign:
        findings.append((WARN, f"images unlike the taught ones in the last {WINDOW_SECONDS:g} s: {', '.join(foreign)}"))
    return findings or [(OK, f"inspecting at {health.counts.output_rate:.1f} Hz")]


def _model_findings(health: Health) -> list[tuple[bytes, str]]:
    if health.model is None:
        return [(OK, "no model loaded")]
    if health.model.fell_back:
        return [(WARN, f"running on the CPU: {health.model.fell_back}")]
    return [(OK, f"{health.model.inspector.model_id} on {health.model.inspector.device}")]


def _input_values(health: Health) -> list[tuple[str, str]]:
    counts = health.counts
    return [
        ("topic", health.topic),
        ("publishers", str(health.publishers)),
        ("reliability", health.reliability),
        ("rate_hz", f"{counts.input_rate:.2f}"),
        ("received", str(counts.received)),
        ("ignored", str(counts.ignored)),
        ("since_last_image_s", "never" if counts.since_input is None else f"{counts.since_input:.2f}"),
        ("backward_stamps", str(counts.backward_stamps)),
        ("bad_images", str(sum(n for _, n in counts.bad_images))),
        *((f"bad_images.{cause}", str(count)) for cause, count in counts.bad_images),
    ]


def _inspection_values(health: Health) -> list[tuple[str, str]]:
    counts = health.counts
    values = [
        ("state", health.state),
        ("enabled", str(health.enabled).lower()),
        ("rate_hz", f"{counts.output_rate:.2f}"),
        ("published", str(counts.published)),
        ("dropped", str(counts.dropped)),
        *((f"outcome.{outcome}", str(count)) for outcome, count in counts.outcomes),
    ]
    for entry in counts.percentiles:
        values += [
            (f"{entry.stage}.p{rank}_ms", _milliseconds(value))
            for rank, value in ((50, entry.p50), (95, entry.p95), (99, entry.p99))
        ]
    return values


def _model_values(health: Health) -> list[tuple[str, str]]:
    if health.model is None:
        return [("part_id", health.part_id), ("model_id", "none")]
    inspector = health.model.inspector
    return [
        ("part_id", health.part_id),
        ("model_id", inspector.model_id),
        ("path", health.model.path),
        ("device", inspector.device),
        ("backend", inspector.backend),
        ("weights_mb", f"{inspector.weights_mb:.1f}"),
        ("load_s", f"{health.model.seconds:.1f}"),
        ("threshold_accept", f"{inspector.calibration.thresholds.accept:.3f}"),
    ]


def _status(
    health: Health, name: str, findings: list[tuple[bytes, str]], values: list[tuple[str, str]], device: str
) -> DiagnosticStatus:
    level = max(level for level, _ in findings)
    return DiagnosticStatus(
        level=level,
        name=f"{health.node}: {name}",
        message="; ".join(text for _, text in findings),
        hardware_id=device,
        values=[KeyValue(key=key, value=value) for key, value in values],
    )


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "none"
