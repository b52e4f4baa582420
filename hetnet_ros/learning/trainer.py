"""Trains fusion and students on cached teacher features (paper, section III-F).

Step t draws the same views and the same noise whether the run was interrupted before or not: everything random is a
function of (seed, step).  An interruption therefore costs nothing, and a seed gives the same model on the same machine.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from tqdm import tqdm

from hetnet_ros.learning.feature_cache import FeatureCache
from hetnet_ros.learning.preset import TrainingConfig
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.losses import stage_loss
from hetnet_ros.network.noise import IsotropicGaussian, LocalGaussian, add_noise_boxes
from hetnet_ros.network.precision import fast_autocast
from hetnet_ros.network.teachers import TeacherFeatures


class Trainer:
    """Optimises one network; ``step`` counts the steps done of ``steps``, ``loss`` is a running mean of the last ones."""

    def __init__(self, network: HetNet, cache: FeatureCache, config: TrainingConfig, seed: int, device: torch.device) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)  # a third faster on CPUs, too
        self.cache = cache
        self.config = config
        self.seed = seed
        self.device = device
        self.steps = config.steps_for(len(cache))
        self.step = 0
        self.loss = float("nan")
        self.optimizer = torch.optim.AdamW(network.trained_parameters(), lr=config.learning_rate,
                                           weight_decay=config.weight_decay, betas=(0.9, 0.99), fused=True)
        self.noise = fit_noise(cache, config)

    def run(self, on_step: Callable[[Trainer], None], progress: bool = True) -> None:
        """Train up to ``steps``; ``on_step`` is called after each step.  Ctrl-C raises KeyboardInterrupt between
        two steps, so that the state is always that of a whole step."""
        self.network.train()
        with (_interrupt_between_steps() as interrupted,
              tqdm(total=self.steps, initial=self.step, desc="teaching", unit="step", disable=not progress) as bar):
            while self.step < self.steps:
                if interrupted.is_set():
                    raise KeyboardInterrupt
                loss = self._train_step()
                self.loss = loss if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * loss
                self.step += 1
                bar.set_postfix(loss=f"{self.loss:.4f}", refresh=False)
                bar.update()
                on_step(self)

    def _train_step(self) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * _schedule(self.step, self.steps, self.config.warmup)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        torch.manual_seed(self.seed * 1_000_033 + self.step)  # dropout draws from the global generators
        with fast_autocast(self.device):
            loss = self._loss(self.cache.batch(self._items()), generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.trained_parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _loss(self, features: TeacherFeatures, generator: torch.Generator) -> Tensor:
        """Distillation (teacher to SR) plus denoising (SR to SD, and by a weight of ours teacher to SD)."""
        net, config = self.network, self.config
        clean = move(features, self.device)
        target = net.targets(clean)
        prototype = net.reconstruction(net.fuse(clean))
        loss = stage_loss(target, prototype, net.stage_weights, config.hard_fraction)
        count = max(2, round(config.noisy_share * len(target[0])))
        noisy = _first(features.local[:3], count)
        if self.noise:
            noisy = add_noise_boxes(noisy, self.noise, config.noise_boxes, config.noise_side, generator)
        denoised = net.denoising(net.fuse(move(TeacherFeatures(noisy, _first(clean.global_, count)), self.device)))
        loss = loss + stage_loss(_first(prototype, count), denoised, net.stage_weights, config.hard_fraction)
        if config.teacher_target > 0:
            wanted = _first(target, count)
            loss = loss + config.teacher_target * stage_loss(wanted, denoised, net.stage_weights, config.hard_fraction)
        return loss

    def _items(self) -> Tensor:
        """The views of this step: epochs are permutations of all views, laid end to end."""
        total, batch = len(self.cache), self.config.batch
        positions = range(self.step * batch, (self.step + 1) * batch)
        permutations = {epoch: torch.randperm(total, generator=torch.Generator().manual_seed(self.seed * 7919 + epoch))
                        for epoch in {p // total for p in positions}}
        return torch.stack([permutations[p // total][p % total] for p in positions])


def fit_noise(cache: FeatureCache, config: TrainingConfig) -> list[LocalGaussian | IsotropicGaussian]:
    """The noise of each CNN stage; empty for ``none``."""
    if config.noise == "none" or config.noise_boxes == 0:
        return []
    if config.noise == "lmgn":
        return [LocalGaussian.fit(lambda stage=stage: cache.local_batches(stage), config.neighbourhood) for stage in range(3)]
    deviations = []
    for stage in range(3):
        moments = [(f.mean((0, 2, 3)), f.square().mean((0, 2, 3)), f.shape[0]) for f in cache.local_batches(stage)]
        count = sum(n for *_, n in moments)
        mean = sum(m * n for m, _, n in moments) / count
        square = sum(s * n for _, s, n in moments) / count
        deviations.append((square - mean.square()).clamp_min(0).sqrt())
    return [IsotropicGaussian(d) for d in deviations]


@torch.no_grad()
def settle_batch_norm(network: HetNet, cache: FeatureCache, device: torch.device, batches: int = 40, batch: int = 16) -> None:
    """Recompute all batch-norm statistics on clean features, evenly sampled from the cache.

    In training the fusion sees clean and noisy features in turn; at inference it sees clean ones only.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)
              and not any(m is t for t in network.teachers.modules())]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative average
    network.train()
    items = torch.linspace(0, len(cache) - 1, min(len(cache), batches * batch)).long()
    for chosen in items.split(batch):
        if chosen.numel() < 2:
            continue
        network.fuse(move(cache.batch(chosen), device))
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum
    network.eval()


def _first(stages: tuple[Tensor, ...], count: int) -> tuple[Tensor, ...]:
    return tuple(stage[:count] for stage in stages)


def move(features: TeacherFeatures, device: torch.device) -> TeacherFeatures:
    """The same on ``device``, channels last."""
    local, global_ = (tuple(f.to(device, memory_format=torch.channels_last) for f in group)
                      for group in (features.local, features.global_))
    return TeacherFeatures(local, global_)


@contextlib.contextmanager
def _interrupt_between_steps() -> Iterator[threading.Event]:
    """Turns Ctrl-C into an event; outside the main thread, where signals do not arrive, it does nothing."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _schedule(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then a cosine down to 1 % of the learning rate."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
