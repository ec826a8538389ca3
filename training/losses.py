"""A forward pass over a batch: the answers' loss, the dense heads' loss, and which answers were right."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import batches, targets
from .attention import SHAPE
from .batches import Batch, Group
from .model import Model

EDGES = 3.0  # weight of the boxes' edges among the heads
CHUNKS = 3  # rows of like length go through the decoder together
Right = dict[tuple[str, str], tuple[int, int]]  # (task, language): right, asked


class Trained(nn.Module):
    """The model with its throw-away heads."""

    def __init__(self) -> None:
        super().__init__()
        self.demo = Model()
        self.cell_heads = nn.Linear(SHAPE.width, sum(n for _, n, _ in targets.CELL))
        self.edge_heads = nn.Linear(SHAPE.width, 4)
        self.patch_heads = nn.Linear(SHAPE.width, 4 * sum(n for _, n, _ in targets.PATCH))


def patches_of(group: Group) -> Tensor:
    """Return a group's pixels as patches (n, h*w, 768) in merge order, -1 to 1."""
    rows, columns = group.grid
    x = torch.from_numpy(np.stack(group.pixels)).to(torch.bfloat16).div_(127.5).sub_(1)
    x = x.view(-1, rows, 2, 16, columns, 2, 16, 3).permute(0, 1, 4, 2, 5, 7, 3, 6)
    return x.reshape(len(group.pixels), rows * columns * 4, 768)


def _heads(
    logits: Tensor, wanted: Tensor, spec: tuple[tuple[str, int, float], ...], seen: dict[str, list[float]]
) -> Tensor:
    """Sum the heads' weighted cross-entropies; notes each head's accuracy."""
    total, at = logits.new_zeros(()), 0
    for i, (name, n, weight) in enumerate(spec):
        target, part = wanted[:, i], logits[:, at : at + n]
        at += n
        known = (target >= 0).nonzero().squeeze(1)
        if len(known):
            part, target = part[known], target[known]
            total = total + weight * F.cross_entropy(part, target)
            if name in ("shape", "char"):
                part, target = part[target > 0], target[target > 0]
            if len(target):
                seen[name].append(float((part.argmax(1) == target).float().mean()))
    return total


def _edges(model: Trained, batch: Batch, tokens: Tensor, seen: dict[str, list[float]]) -> Tensor:
    """Return how far the boxes' edges are off, in tokens."""
    wanted = torch.from_numpy(np.concatenate([e for g in batch.groups for e in g.edges]))
    known = wanted[:, 0].isfinite().nonzero().squeeze(1)
    said = model.edge_heads(tokens[known]).float()
    seen["edges"].append(float((said.detach() - wanted[known]).abs().mean()))
    return F.smooth_l1_loss(said, wanted[known], beta=0.1)


def forward(model: Trained, batch: Batch, talk: bool) -> tuple[Tensor, Tensor, Right, dict[str, float]]:
    """Return the answers' loss, the heads' loss, the right answers and the heads' accuracies."""
    visual = model.demo.model.visual
    features, deep, where, cells, patches = [], [], [], [], []
    for group in batch.groups:
        seen, layers = visual(patches_of(group), group.grid)
        features.append(seen.flatten(0, 1))
        deep.append([d.flatten(0, 1) for d in layers])
        cells.append(np.concatenate(group.cells))
        patches.append(np.concatenate(group.patches))
        where.append(batches.flat(group, batch.ids.shape[1]))
    tokens = torch.cat(features)
    accuracy: dict[str, list[float]] = defaultdict(list)
    dense = _heads(model.cell_heads(tokens).float(), torch.from_numpy(np.concatenate(cells)), targets.CELL, accuracy)
    dense = dense + EDGES * _edges(model, batch, tokens, accuracy)
    wanted = torch.from_numpy(np.concatenate(patches))
    texts = (wanted[:, 0, 0] >= 0).nonzero().squeeze(1)
    if len(texts):
        logits = model.patch_heads(tokens[texts]).float().view(4 * len(texts), -1)
        dense = dense + _heads(logits, wanted[texts].flatten(0, 1), targets.PATCH, accuracy)
    heads = {k: sum(v) / len(v) for k, v in accuracy.items()}
    if not talk:
        return tokens.new_zeros(()), dense, {}, heads
    stacked = [torch.cat([d[i] for d in deep]) for i in range(len(SHAPE.deepstack))]
    return *_answers(model, batch, torch.from_numpy(np.concatenate(where)), tokens, stacked, dense), heads


def _hidden(
    model: Trained, batch: Batch, where: Tensor, seen: Tensor, deep: list[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Run the decoder over rows of like length together; returns (rows, hidden states) of each such chunk."""
    ids, positions = torch.from_numpy(batch.ids), torch.from_numpy(batch.positions)
    lengths = (torch.from_numpy(batch.segments) >= 0).int().flip(1).argmax(1).neg() + ids.shape[1]
    row_of, column_of = where // ids.shape[1], where % ids.shape[1]
    out = []
    for rows in lengths.argsort().chunk(CHUNKS):
        longest = int(lengths[rows].max())
        inside = torch.zeros(len(ids), dtype=torch.long) - 1
        inside[rows] = torch.arange(len(rows))
        mine = (inside[row_of] >= 0).nonzero().squeeze(1)
        at = inside[row_of[mine]] * longest + column_of[mine]
        text = model.demo.model.language_model
        hidden = text(ids[rows, :longest], positions[:, rows, :longest], at, seen[mine], [d[mine] for d in deep])
        out.append((rows, hidden))
    return out


def _answers(
    model: Trained, batch: Batch, where: Tensor, seen: Tensor, deep: list[Tensor], dense: Tensor
) -> tuple[Tensor, Tensor, Right]:
    labels, segments = torch.from_numpy(batch.labels), torch.from_numpy(batch.segments)
    picked, wanted, asked = [], [], []
    for rows, hidden in _hidden(model, batch, where, seen, deep):
        target = labels[rows, 1 : hidden.shape[1]].flatten()
        learned = (target >= 0).nonzero().squeeze(1)
        picked.append(hidden[:, :-1].flatten(0, 1)[learned])
        wanted.append(target[learned])
        asked.append(segments[rows, 1 : hidden.shape[1]].flatten()[learned])
    logits = model.demo.lm_head(torch.cat(picked)).float()
    target, segment = torch.cat(wanted), torch.cat(asked)
    failed = torch.zeros(len(batch.asked), dtype=torch.bool)
    failed[segment[logits.argmax(1) != target]] = True
    right: Right = {}
    for key, bad in zip(batch.asked, failed.tolist(), strict=True):
        good, n = right.get(key, (0, 0))
        right[key] = (good + (not bad), n + 1)
    weight = segment.bincount(minlength=len(batch.asked)).float()[segment].rsqrt()  # short answers count for more
    loss = (F.cross_entropy(logits, target, reduction="none") * weight).sum() / weight.sum()
    return loss, dense, right
