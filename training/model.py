"""Qwen3-VL's mathematics, small and batched; parameters are named as in transformers' model of that name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import SHAPE, Shape, attend, by_head, rotated
from .vision import LOOK, Vision, look


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
        q = rotated(self.q_norm(self.q_proj(x).view(split)), cos, sin)
        k = rotated(self.k_norm(self.k_proj(x).view(split)), cos, sin)
        q, k, v = (by_head(p, self.s.kv_heads) for p in (q, k, self.v_proj(x).view(split)))
        mask = torch.full((t, t), float("-inf"), dtype=x.dtype).triu(1).repeat(self.s.heads // self.s.kv_heads, 1)
        out = attend(q, k, v, mask).view(n, self.s.heads, t, -1)
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
            look(self.model.visual.blocks[layer].attn, offsets)
