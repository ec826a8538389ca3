"""The vision tower of the demo model, batched: all pictures of one grid go through it at once, in bfloat16.

transformers runs its tower picture by picture; parameters are named as there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Shape, attend, by_head, rotated

LOOK_STRENGTH = 4.5
LOOK = (  # where the heads of the first vision layers look at the start: a convolution's neighbourhood
    ((0, -1), (0, 1), (-1, 0), (1, 0)),
    ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    ((0, -2), (0, 2), (-2, 0), (2, 0)),
)


class VisionAttention(nn.Module):
    """Attention among all patches of one picture."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.heads = s.v_heads
        self.qkv = nn.Linear(s.v_width, 3 * s.v_width)
        self.proj = nn.Linear(s.v_width, s.v_width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        n, t, c = x.shape
        qkv = self.qkv(x).view(n, t, 3, self.heads, c // self.heads)
        qk = rotated(qkv[:, :, :2], cos, sin)
        q, k, v = (by_head(p, self.heads) for p in (qk[:, :, 0], qk[:, :, 1], qkv[:, :, 2]))
        return self.proj(attend(q, k, v).view(n, self.heads, t, -1).transpose(1, 2).reshape(n, t, c))


class VisionMLP(nn.Module):
    """Two linear maps with a tanh GELU between."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.linear_fc1 = nn.Linear(s.v_width, s.v_ff)
        self.linear_fc2 = nn.Linear(s.v_ff, s.v_width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_fc2(F.gelu(self.linear_fc1(x), approximate="tanh"))


class VisionBlock(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(s.v_width, eps=1e-6)
        self.norm2 = nn.LayerNorm(s.v_width, eps=1e-6)
        self.attn = VisionAttention(s)
        self.mlp = VisionMLP(s)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.mlp(self.norm2(x))


class Merger(nn.Module):
    """Four patches become one picture token."""

    def __init__(self, s: Shape, after: bool) -> None:
        super().__init__()
        self.wide = 4 * s.v_width
        self.after = after
        self.norm = nn.LayerNorm(self.wide if after else s.v_width, eps=1e-6)
        self.linear_fc1 = nn.Linear(self.wide, self.wide)
        self.linear_fc2 = nn.Linear(self.wide, s.width)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        x = self.norm(x.view(n, -1, self.wide)) if self.after else self.norm(x).view(n, -1, self.wide)
        return self.linear_fc2(F.gelu(self.linear_fc1(x)))


class PatchEmbed(nn.Module):
    """A linear map of 16x16 pixels in two equal frames."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, s.v_width, (2, 16, 16), (2, 16, 16))

    def forward(self, patches: Tensor) -> Tensor:
        weight = self.proj.weight.sum(2).flatten(1)
        return F.linear(patches, weight, self.proj.bias)


class Vision(nn.Module):
    """The vision tower: patches (n, h*w, 768), in merge order, to picture tokens and deepstack features."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.patch_embed = PatchEmbed(s)
        self.pos_embed = nn.Embedding(s.v_grid**2, s.v_width)
        self.blocks = nn.ModuleList(VisionBlock(s) for _ in range(s.v_layers))
        self.merger = Merger(s, after=False)
        self.deepstack_merger_list = nn.ModuleList(Merger(s, after=True) for _ in s.deepstack)
        self.cache: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}

    def _tables(self, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return position weights (patches, grid cells), cos and sin for a grid of (rows, columns) of tokens."""
        if grid not in self.cache:
            h, w = 2 * grid[0], 2 * grid[1]
            order = torch.arange(h * w).view(grid[0], 2, grid[1], 2).transpose(1, 2).flatten()
            rows, columns = order // w, order % w
            g = self.s.v_grid
            tent = lambda at, n: (1 - (at[:, None] * (g - 1) / (n - 1) - torch.arange(g)).abs()).clamp(min=0)  # noqa: E731
            weights = tent(rows, h)[:, :, None] * tent(columns, w)[:, None, :]
            spatial = self.s.v_width // self.s.v_heads // 2
            freqs = 10000.0 ** -(torch.arange(0, spatial, 2).float() / spatial)
            angles = torch.cat((rows[:, None] * freqs, columns[:, None] * freqs), -1).repeat(1, 2)
            dtype = self.pos_embed.weight.dtype
            tables = (weights.flatten(1).to(dtype), angles.cos().to(dtype), angles.sin().to(dtype))
            self.cache[grid] = (tables[0], tables[1][:, None, None, :], tables[2][:, None, None, :])
        return self.cache[grid]

    def forward(self, patches: Tensor, grid: tuple[int, int]) -> tuple[Tensor, list[Tensor]]:
        weights, cos, sin = self._tables(grid)
        x = self.patch_embed(patches) + weights @ self.pos_embed.weight
        deep = []
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin)
            if i in self.s.deepstack:
                deep.append(self.deepstack_merger_list[self.s.deepstack.index(i)](x))
        return self.merger(x), deep


@torch.no_grad()
def look(attention: VisionAttention, offsets: tuple[tuple[int, int], ...]) -> None:
    """Begin with each head looking at the patch (rows, columns) away: biases that the rotary turns into places."""
    attention.qkv.weight[: 2 * attention.qkv.weight.shape[1]] *= 0.3  # little distraction by content
    bias = attention.qkv.bias.view(3, attention.heads, -1)
    quarter = bias.shape[-1] // 4
    freqs = 10000.0 ** -(torch.arange(quarter).float() / quarter)
    for head, (down, right) in enumerate(offsets):
        phase = torch.cat((down * freqs, right * freqs))
        bias[0, head] = LOOK_STRENGTH * torch.cat((phase.cos(), phase.sin()))
        bias[1, head, : 2 * quarter] = LOOK_STRENGTH
