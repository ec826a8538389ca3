"""Qwen3-VL's mathematics, small and batched; parameters are named as in transformers' Qwen3VLForConditionalGeneration.

transformers runs its vision tower picture by picture; here all pictures of one grid go through it at once, in bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the demo model; `sections` share a head's frequencies among time, height and width."""

    vocab: int = 1024
    width: int = 160
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head: int = 32
    ff: int = 448
    sections: tuple[int, int, int] = (6, 5, 5)
    theta: float = 10000.0
    context: int = 4096
    v_width: int = 128
    v_layers: int = 4
    v_heads: int = 4
    v_ff: int = 384
    v_grid: int = 16
    deepstack: tuple[int, ...] = (1, 2)


SHAPE = Shape()
LOOK_STRENGTH = 4.5
LOOK = (  # where the heads of the first vision layers look at the start: a convolution's neighbourhood
    ((0, -1), (0, 1), (-1, 0), (1, 0)),
    ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    ((0, -2), (0, 2), (-2, 0), (2, 0)),
)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention by plain matrix products over (n, t, head): on a CPU in bfloat16 twice as fast as the fused one."""
    q = q * q.shape[-1] ** -0.5
    scores = torch.bmm(q, k.mT) if mask is None else torch.baddbmm(mask, q, k.mT)
    return torch.bmm(scores.softmax(-1), v)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """Turn (n, t, h, d) into (n * heads, h / heads * t, d)."""
    n, t, h, d = x.shape
    return x.transpose(1, 2).reshape(n * heads, h // heads * t, d)


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
        qk = _rotated(qkv[:, :, :2], cos, sin)
        q, k, v = (_by_head(p, self.heads) for p in (qk[:, :, 0], qk[:, :, 1], qkv[:, :, 2]))
        return self.proj(_attend(q, k, v).view(n, self.heads, t, -1).transpose(1, 2).reshape(n, t, c))


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


class RMSNorm(nn.Module):
    """Root mean square norm with a learned scale."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, 1e-6)


class Attention(nn.Module):
    """Causal grouped attention with normed queries and keys."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.q_proj = nn.Linear(s.width, s.heads * s.head, bias=False)
        self.k_proj = nn.Linear(s.width, s.kv_heads * s.head, bias=False)
        self.v_proj = nn.Linear(s.width, s.kv_heads * s.head, bias=False)
        self.o_proj = nn.Linear(s.heads * s.head, s.width, bias=False)
        self.q_norm = RMSNorm(s.head)
        self.k_norm = RMSNorm(s.head)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        n, t, _ = x.shape
        split = (n, t, -1, self.s.head)
        q = _rotated(self.q_norm(self.q_proj(x).view(split)), cos, sin)
        k = _rotated(self.k_norm(self.k_proj(x).view(split)), cos, sin)
        q, k, v = (_by_head(p, self.s.kv_heads) for p in (q, k, self.v_proj(x).view(split)))
        mask = torch.full((t, t), float("-inf"), dtype=x.dtype).triu(1).repeat(self.s.heads // self.s.kv_heads, 1)
        out = _attend(q, k, v, mask).view(n, self.s.heads, t, -1)
        return self.o_proj(out.transpose(1, 2).reshape(n, t, -1))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(s.width, s.ff, bias=False)
        self.up_proj = nn.Linear(s.width, s.ff, bias=False)
        self.down_proj = nn.Linear(s.ff, s.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """One decoder layer."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(s)
        self.mlp = MLP(s)
        self.input_layernorm = RMSNorm(s.width)
        self.post_attention_layernorm = RMSNorm(s.width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Text(nn.Module):
    """The decoder: token ids, picture features scattered in, interleaved M-RoPE."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.embed_tokens = nn.Embedding(s.vocab, s.width)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.layers))
        self.norm = RMSNorm(s.width)

    def _angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin (n, t, 1, head) for positions (3, n, t)."""
        half = self.s.head // 2
        inverse = self.s.theta ** -(torch.arange(0, self.s.head, 2).float() / self.s.head)
        axis = torch.zeros(half, dtype=torch.long)
        for dim, offset in ((1, 1), (2, 2)):
            axis[offset : self.s.sections[dim] * 3 : 3] = dim
        angles = positions.float()[axis].permute(1, 2, 0) * inverse
        angles = torch.cat((angles, angles), -1)[:, :, None, :]
        dtype = self.norm.weight.dtype
        return angles.cos().to(dtype), angles.sin().to(dtype)

    def forward(self, ids: Tensor, positions: Tensor, where: Tensor, seen: Tensor, deep: list[Tensor]) -> Tensor:
        """`where` are flat indices of picture tokens; `seen` and `deep` their features, in that order."""
        n, t = ids.shape
        x = self.embed_tokens(ids)
        x = x.view(n * t, -1).index_copy(0, where, seen).view(n, t, -1)
        cos, sin = self._angles(positions)
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin)
            if i < len(deep):
                x = x.view(n * t, -1).index_add(0, where, deep[i]).view(n, t, -1)
        return self.norm(x)


class Inner(nn.Module):
    """Vision tower and decoder, named as in transformers."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.visual = Vision(s)
        self.language_model = Text(s)


class Model(nn.Module):
    """The whole model."""

    def __init__(self, s: Shape = SHAPE) -> None:
        super().__init__()
        self.s = s
        self.model = Inner(s)
        self.lm_head = nn.Linear(s.width, s.vocab, bias=False)
        for name, p in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(p)
            elif "embed" in name and "patch" not in name:
                nn.init.normal_(p, std=0.2)
            elif p.dim() >= 2:
                nn.init.normal_(p, std=p.flatten(1).shape[1] ** -0.5)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        for layer, offsets in enumerate(LOOK):
            _look(self.model.visual.blocks[layer].attn, offsets)


@torch.no_grad()
def _look(attention: VisionAttention, offsets: tuple[tuple[int, int], ...]) -> None:
    """Begin with each head looking at the patch (rows, columns) away: biases that the rotary turns into places."""
    attention.qkv.weight[: 2 * attention.qkv.weight.shape[1]] *= 0.3  # little distraction by content
    bias = attention.qkv.bias.view(3, attention.heads, -1)
    quarter = bias.shape[-1] // 4
    freqs = 10000.0 ** -(torch.arange(quarter).float() / quarter)
    for head, (down, right) in enumerate(offsets):
        phase = torch.cat((down * freqs, right * freqs))
        bias[0, head] = LOOK_STRENGTH * torch.cat((phase.cos(), phase.sin()))
        bias[1, head, : 2 * quarter] = LOOK_STRENGTH
