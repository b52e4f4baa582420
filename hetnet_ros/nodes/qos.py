"""Quality of service of the image subscription and of what the inspector publishes.

Cameras publish best effort or reliable, and a reliable subscriber silently gets nothing from a best-effort camera.  So
the subscription follows what the publishers offer unless the user fixed it, and what does not match is put into words.
"""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind

RESULTS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""Verdicts: each counts, so reliable, and a short hiccup of the planner may lose none."""

PICTURES = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""Maps, masks and overlays: offered reliable, so that every viewer can subscribe, and only the newest matters."""


def image_profile(reliability: ReliabilityPolicy, depth: int) -> QoSProfile:
    """The subscription's profile: volatile, keep last ``depth``."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=DurabilityPolicy.VOLATILE
    )


def choose_reliability(wanted: str, offered: Iterable[ReliabilityPolicy]) -> ReliabilityPolicy | None:
    """The reliability to subscribe with, or None while that cannot be known.

    wanted: ``reliable``, ``best_effort`` or ``match``. offered: reliability of each publisher of the topic; ``match``
    asks for reliable only if all of them offer it, because best effort is the one that connects to every publisher.
    """
    if wanted == "reliable":
        return ReliabilityPolicy.RELIABLE
    if wanted == "best_effort":
        return ReliabilityPolicy.BEST_EFFORT
    offers = list(offered)
    if not offers:
        return None
    return (
        ReliabilityPolicy.RELIABLE
        if all(offer == ReliabilityPolicy.RELIABLE for offer in offers)
        else ReliabilityPolicy.BEST_EFFORT
    )


def incompatibility(policy_kind: object, topic: str, asked: ReliabilityPolicy) -> str:
    """One line on a publisher whose images do not reach this node; ``policy_kind`` as in rclpy's event."""
    try:
        policy = qos_policy_name_from_kind(policy_kind).lower()  # type: ignore[arg-type]
    except Exception:  # newer middleware may name a policy that this rclpy does not know
        policy = "quality of service"
    line = f"a publisher of {topic} offers an incompatible {policy}, so its images do not arrive"
    if policy == "reliability" and asked == ReliabilityPolicy.RELIABLE:
        line += ": it publishes best effort, set image_qos.reliability to match or best_effort"
    return line
