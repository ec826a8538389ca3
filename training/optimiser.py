"""Muon for the matrices, Adam for the rest; float32 master weights and an average of them beside bfloat16 ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
BETAS = (0.9, 0.97)
EPS = 1e-8


def orthogonal(g: Tensor) -> Tensor:
    """Return (a stack of) matrices with all singular values near one: five Newton-Schulz steps in bfloat16."""
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


class Optimiser:
    """Steps a bfloat16 model from float32 masters."""

    def __init__(
        self,
        model: nn.Module,
        rank: int = 0,
        ranks: int = 1,
        adam_only: tuple[str, ...] = ("embed", "lm_head", "heads"),
    ) -> None:
        """Of several processes each updates its share of the parameters; `step` brings them together."""
        self.ranks = ranks
        self.model = dict(model.named_parameters())
        self.master = {k: p.detach().float().clone() for k, p in self.model.items()}
        self.average = {k: p.clone() for k, p in self.master.items()}
        self.first = {k: torch.zeros_like(p) for k, p in self.master.items()}
        muon = [k for k, p in self.master.items() if p.dim() == 2 and not any(a in k for a in adam_only)]
        self.second = {k: torch.zeros_like(p) for k, p in self.master.items() if k not in muon}
        self.stacks: dict[tuple[int, ...], list[str]] = {}
        for k in muon:
            self.stacks.setdefault(tuple(self.master[k].shape), []).append(k)
        self.steps = 0
        self.own = {k for i, k in enumerate(k for names in self.stacks.values() for k in names) if i % ranks == rank}
        if rank == ranks - 1:
            self.own |= set(self.second)

    def _together(self, values: dict[str, Tensor], names: set[str]) -> dict[str, Tensor]:
        """Sum tensors over the processes; a name that is not in `names` counts as zero here."""
        if self.ranks == 1:
            return values
        flat = torch.cat([v.flatten() if k in names else torch.zeros(v.numel()) for k, v in values.items()])
        torch.distributed.all_reduce(flat)
        parts = flat.split([v.numel() for v in values.values()])
        return {k: p.view_as(v) for (k, v), p in zip(values.items(), parts, strict=True)}

    @torch.no_grad()
    def step(self, muon_rate: float, adam_rate: float, keep: float, decay: float = 0.0) -> float:
        """Apply the gradients, forget them; returns their norm. `keep` is the average's memory."""
        self.steps += 1
        for k, p in self.model.items():
            if p.grad is None and "heads" in k:  # no text in this process's pictures, maybe in the other's
                p.grad = torch.zeros_like(p)
        grads = {k: p.grad.float() / self.ranks for k, p in self.model.items() if p.grad is not None}
        grads = self._together(grads, set(grads))
        norm = float(torch.stack([g.square().sum() for g in grads.values()]).sum().sqrt())
        for names in self.stacks.values():
            self._muon([k for k in names if k in grads and k in self.own], grads, muon_rate, decay)
        scale = min(1.0, 1.0 / (norm + 1e-6))
        for k in self.second:
            if k in grads and k in self.own:
                self._adam(k, grads[k] * scale, adam_rate)
        for k, v in self._together({k: self.master[k] for k in grads}, self.own).items():
            self.master[k] = v.clone()
        for k, p in self.model.items():
            p.copy_(self.master[k])
            p.grad = None
            self.average[k].lerp_(self.master[k], 1 - keep)
        return norm

    def _muon(self, names: list[str], grads: dict[str, Tensor], rate: float, decay: float) -> None:
        if not names:
            return
        for k in names:
            self.first[k].lerp_(grads[k], 1 - MOMENTUM)
        updates = orthogonal(torch.stack([grads[k].lerp(self.first[k], MOMENTUM) for k in names]))
        rows, columns = updates.shape[-2:]
        for k, update in zip(names, updates, strict=True):
            self.master[k].mul_(1 - rate * decay).add_(update, alpha=-rate * max(1.0, rows / columns) ** 0.5)

    def _adam(self, k: str, g: Tensor, rate: float) -> None:
        self.first[k].lerp_(g, 1 - BETAS[0])
        self.second[k].lerp_(g * g, 1 - BETAS[1])
        m = self.first[k] / (1 - BETAS[0] ** self.steps)
        v = self.second[k] / (1 - BETAS[1] ** self.steps)
        self.master[k].addcdiv_(m, v.sqrt() + EPS, value=-rate)

    def whole(self) -> None:
        """Bring the momenta of all processes together, before `state` is saved."""
        for values in (self.first, self.second):
            values.update({k: v.clone() for k, v in self._together(values, self.own).items()})

    def state(self) -> dict[str, object]:
        """Return everything that a restart needs."""
        return {n: getattr(self, n) for n in ("master", "average", "first", "second", "steps")}

    @torch.no_grad()
    def restore(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Take over a saved state; parameters that it does not know keep theirs."""
        for n in ("master", "average", "first", "second"):
            mine: dict[str, Tensor] = getattr(self, n)
            for k, v in state[n].items():
                if k in mine and mine[k].shape == v.shape:
                    mine[k].copy_(v)
        self.steps = int(state["steps"])  # type: ignore[arg-type]
        for k, p in self.model.items():
            p.copy_(self.master[k])
