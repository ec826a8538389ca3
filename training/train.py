"""Train the demo model: `python -m training.train --run DIR`. It continues from DIR's checkpoint if there is one.

First the vision tower alone learns from dense heads, then everything learns to answer. The rates follow the clock
given by --minutes: constant, then down to zero over the last part.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing
from safetensors.torch import load_file, save_file

from . import batches, losses
from .optimiser import Optimiser

SEED = 20261122


@dataclass(frozen=True)
class Stage:
    """A part of the plan; it ends after `until` steps."""

    until: int
    mix: batches.Mix
    dense: float  # weight of the heads' loss


PLAN: tuple[Stage, ...] = (
    Stage(400, batches.Mix(pictures=32, grids=2, shapes=0.7, talk=False), 1.0),
    Stage(950, batches.Mix(pictures=32, grids=2, shapes=0.8, questions=(3, 5), easy=True), 0.4),
    Stage(1810, batches.Mix(pictures=32, grids=2, shapes=0.92, card=0.25, pair=0.05, questions=(5, 9)), 0.4),
    Stage(4100, batches.Mix(pictures=32, grids=2, shapes=0.2, card=0.4, talk=False), 1.0),
    Stage(5680, batches.Mix(pictures=32, grids=2, shapes=0.62, card=0.35, pair=0.05, questions=(5, 9)), 0.4),
    Stage(8300, batches.Mix(pictures=32, grids=2, shapes=0.12, card=0.4, talk=False), 1.0),
    Stage(10300, batches.Mix(pictures=32, grids=2, shapes=0.4, card=0.45, pair=0.05, questions=(4, 7)), 0.4),
    Stage(13205, batches.Mix(pictures=32, grids=2, shapes=0.35, card=0.5, pair=0.05, questions=(4, 7)), 0.4),
    Stage(10**9, batches.Mix(pictures=32, grids=2, shapes=0.3, card=0.65, pair=0.04, questions=(4, 7)), 0.8),
)


def stage_at(step: int) -> Stage:
    """Return the stage that a step belongs to."""
    return next(s for s in PLAN if step < s.until)


def batch_at(seed: int, step: int, rank: int, ranks: int) -> batches.Batch:
    """Make one process's part of a step's batch; it follows from the numbers alone."""
    mix = stage_at(step).mix
    rng = random.Random((seed * 1_000_003 + step) * 16 + rank)
    return batches.make(rng, batches.smaller(mix, mix.pictures // ranks))


class Log:
    """Running means for the log's lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clear()

    def clear(self) -> None:
        """Start new means."""
        self.sums: dict[str, list[float]] = defaultdict(list)
        self.right: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, right: losses.Right, **values: float) -> None:
        """Note a step."""
        for k, v in values.items():
            self.sums[k].append(v)
        for key, (good, asked) in right.items():
            self.right[key][0] += good
            self.right[key][1] += asked

    def write(self, step: int, minutes: float) -> None:
        """Append one line and start anew."""
        means = {k: round(sum(v) / len(v), 3) for k, v in self.sums.items()}
        tasks: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for (task, _), (good, asked) in self.right.items():
            tasks[task][0] += good
            tasks[task][1] += asked
        percent = {t: round(100 * g / n) for t, (g, n) in sorted(tasks.items())}
        line = {"step": step, "minutes": round(minutes, 1), **means, "right": percent}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.clear()


def save(run: Path, optimiser: Optimiser, step: int, minutes: float) -> None:
    """Write the checkpoint (everything) and the averaged weights (what is exported)."""
    state = {"optimiser": optimiser.state(), "step": step, "minutes": minutes}
    torch.save(state, run / "state.part")
    (run / "state.part").replace(run / "state.pt")
    averaged = {k.removeprefix("demo."): v.half() for k, v in optimiser.average.items()}
    save_file(averaged, run / "average.part")
    (run / "average.part").replace(run / "average.safetensors")


def take(optimiser: Optimiser, file: Path) -> None:
    """Begin from saved averaged weights instead of random ones."""
    for k, v in load_file(file).items():
        name = k if "heads" in k else f"demo.{k}"
        for weights in (optimiser.master, optimiser.average):
            weights[name].copy_(v)
        optimiser.model[name].data.copy_(v)


def rate(minutes: float, total: float, down: float) -> float:
    """Return the share of the peak rate: constant, then linearly to zero over the last `down` minutes."""
    return max(0.02, min(1.0, (total - minutes) / down))


def _start(args: argparse.Namespace, rank: int) -> tuple[losses.Trained, Optimiser, int, float]:
    torch.manual_seed(SEED)
    model = losses.Trained()
    optimiser = Optimiser(model, rank, args.processes)
    model.bfloat16()
    optimiser.model = dict(model.named_parameters())
    step, minutes = 0, 0.0
    if (args.run / "state.pt").exists():
        state: dict[str, Any] = torch.load(args.run / "state.pt", weights_only=True)
        optimiser.restore(state["optimiser"])
        step, minutes = int(state["step"]), float(state["minutes"])
    elif args.weights:
        take(optimiser, args.weights)
        step = PLAN[-2].until
    return model, optimiser, step, minutes


def _train(rank: int, args: argparse.Namespace) -> None:
    """Run one of the processes: one thread each, gradients summed once a step (kinder to a busy machine)."""
    torch.set_num_threads(1)
    store = f"file://{args.run / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=args.processes)
    model, optimiser, step, before = _start(args, rank)
    log, begun, saved = Log(args.run / "log.jsonl"), time.monotonic(), before
    minutes = before
    while minutes < args.minutes:
        stage, at = stage_at(step), time.monotonic()
        batch = batch_at(args.seed, step, rank, args.processes)
        made = time.monotonic()
        loss, dense, right, heads = losses.forward(model, batch, stage.mix.talk)
        (loss + stage.dense * dense).backward()
        worked = time.monotonic()
        scale = rate(minutes, args.minutes, args.down) * min(1.0, (step + 1) / 50)
        norm = optimiser.step(args.muon * scale, args.adam * scale, min(0.998, 1 - 10 / (step + 20)), 0.01)
        step += 1
        log.add(right, loss=loss.item(), dense=dense.item(), norm=norm, **heads)
        log.add({}, making=made - at, working=worked - made, stepping=time.monotonic() - worked)
        if step % 50 == 0 and rank == 0:
            log.write(step, minutes)
        clock = torch.tensor(before + (time.monotonic() - begun) / 60)
        torch.distributed.broadcast(clock, 0)
        minutes = float(clock)
        if minutes - saved > 4 or minutes >= args.minutes:
            saved = minutes
            optimiser.whole()
            if rank == 0:
                save(args.run, optimiser, step, minutes)


def main() -> None:
    """Train until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--weights", type=Path, help="begin from these (training/checkpoint.safetensors), last stage")
    parser.add_argument("--seed", type=int, default=SEED, help="another one when beginning from weights")
    parser.add_argument("--minutes", type=float, default=240, help="training time in all, earlier starts counted")
    parser.add_argument("--down", type=float, default=60, help="minutes of falling rates at the end")
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--adam", type=float, default=0.002)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    args.run = args.run.resolve()
    args.run.mkdir(parents=True, exist_ok=True)
    (args.run / "meeting").unlink(missing_ok=True)
    torch.multiprocessing.spawn(_train, (args,), nprocs=args.processes)


if __name__ == "__main__":
    main()
