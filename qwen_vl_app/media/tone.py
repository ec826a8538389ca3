"""Pictures whose colours are given by CICP codes (AVIF, HEIC, PNG) to sRGB, HDR ones tone-mapped plainly.

Every picture gets the same curve: nothing looks at its brightness or at metadata about a display.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from PIL import ImageFilter

Colour: TypeAlias = tuple[float, float, float]

# ITU-T H.273: colour primaries and transfer characteristics.
BT709, BT2020, P3 = 1, 9, 12
PQ, HLG = 16, 18

WHITE = 203.0  # cd/m2 of diffuse white in HDR pictures (ITU-R BT.2408)
HLG_WHITE = 0.75  # the signal of diffuse white in HLG (ITU-R BT.2408)
KNEE = 0.5  # linear light below this part of diffuse white stays as it is
GRID = 33  # points a side of the lookup table; between them colours are interpolated

# Linear light to BT.709 primaries (D65), rounded: ITU-R BT.2087 for BT.2020; SMPTE EG 432-1 for P3.
_TO_BT709: dict[int, tuple[Colour, Colour, Colour]] = {
    BT709: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    P3: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
}


def table(primaries: int, transfer: int) -> ImageFilter.Color3DLUT | None:
    """What turns an RGB picture of these CICP codes into sRGB; None when it is (nearly) sRGB already."""
    matrix = _TO_BT709.get(primaries, _TO_BT709[BT709])
    if transfer not in (PQ, HLG) and matrix == _TO_BT709[BT709]:
        return None
    linear = cache({PQ: from_pq, HLG: from_hlg}.get(transfer, from_srgb))  # called for GRID levels only
    squeeze = shoulder if transfer in (PQ, HLG) else _clip
    return ImageFilter.Color3DLUT.generate(GRID, _converter(matrix, linear, squeeze))


def _converter(
    matrix: tuple[Colour, Colour, Colour], linear: Callable[[float], float], squeeze: Callable[[float], float]
) -> Callable[[float, float, float], Colour]:
    def convert(red: float, green: float, blue: float) -> Colour:
        light = linear(red), linear(green), linear(blue)
        mixed = [sum(part * of for part, of in zip(row, light, strict=True)) for row in matrix]
        return to_srgb(squeeze(mixed[0])), to_srgb(squeeze(mixed[1])), to_srgb(squeeze(mixed[2]))

    return convert


def from_pq(signal: float) -> float:
    """Linear light, 1 at diffuse white, of a PQ signal from 0 to 1 (SMPTE ST 2084)."""
    root = signal ** (1 / 78.84375)
    return float((max(root - 0.8359375, 0.0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)) * 10_000 / WHITE


def from_hlg(signal: float) -> float:
    """Linear light of the scene, 1 at diffuse white, of an HLG signal from 0 to 1 (ITU-R BT.2100)."""
    return _hlg(signal) / _hlg(HLG_WHITE)


def _hlg(signal: float) -> float:
    if signal <= 0.5:
        return signal**2 / 3
    return (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12


def from_srgb(signal: float) -> float:
    """Linear light of an sRGB signal, both from 0 to 1 (IEC 61966-2-1)."""
    return signal / 12.92 if signal <= 0.04045 else float(((signal + 0.055) / 1.055) ** 2.4)


def to_srgb(light: float) -> float:
    """The sRGB signal of linear light, both from 0 to 1 (IEC 61966-2-1)."""
    return light * 12.92 if light <= 0.0031308 else float(1.055 * light ** (1 / 2.4) - 0.055)


def shoulder(light: float) -> float:
    """Linear light from 0 to any height bent into 0 to 1: unchanged to the knee, then ever flatter."""
    if light <= KNEE:
        return max(light, 0.0)
    return 1 - (1 - KNEE) ** 2 / (light + 1 - 2 * KNEE)


def _clip(light: float) -> float:
    return min(max(light, 0.0), 1.0)
