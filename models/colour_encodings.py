"""Transfer functions and primaries of image files, and their conversion to sRGB.

A file describes its encoding in one of two ways. Either by the code points of ITU-T H.273 (AVIF,
PNG's cICP, the cicp tag of ICC profiles), or by a gamma and chromaticities (PNG's gAMA and cHRM).

PQ and HLG (ITU-R BT.2100) can encode more light than sRGB. Their light is measured relative to the
reference white of 203 cd/m² (ITU-R BT.2408). The reference white tone mapping of SMPTE ST 2094-50
then maps the brightest pixel to sRGB white. Chromium does the same on a standard display.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_Light = NDArray[np.float32]
_Convert = Callable[[Image.Image], Image.Image]

VIDEO_CURVES = frozenset({1, 6, 14, 15})
"""Transfer characteristics of SDR video. Browsers treat them as sRGB in AVIF and ICC."""

_PQ, _HLG = 16, 18
_REFERENCE_WHITE = 203.0  # cd/m²
_DEFAULT_PEAK = 1000.0  # cd/m², for PQ and HLG without a stated peak, and HLG's nominal display


def from_cicp(primaries: int, transfer: int, peak: float = 0.0) -> _Convert | None:
    """Return the conversion of RGB strips from an H.273 encoding to sRGB.

    Args:
        primaries: colour primaries (H.273 table 2).
        transfer: transfer characteristics (H.273 table 3).
        peak: luminance of the brightest pixel in cd/m², for PQ and HLG. 0 if unknown.

    Returns:
        None for code points that are reserved, unspecified or unsupported by browsers.
    """
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        return None
    light = _CURVES[transfer](_NUMBERS)
    if transfer not in (_PQ, _HLG):
        return _converter(light, _matrix(_PRIMARIES[primaries], _PRIMARIES[_BT709]))
    to_bt2020 = _matrix(_PRIMARIES[primaries], _PRIMARIES[_BT2020])
    tone = _tone_mapping(peak or _DEFAULT_PEAK)
    return _hdr_converter(light, to_bt2020, tone, scene_light=transfer == _HLG)


def from_gamma(gamma: float, chromaticities: Sequence[float]) -> _Convert | None:
    """Return the conversion to sRGB for RGB strips of a PNG with gAMA and perhaps cHRM.

    Args:
        gamma: the encoding exponent. 0 if unknown.
        chromaticities: x and y of white, red, green and blue. Empty for those of sRGB.

    Returns:
        None if the encoding is sRGB or close to it, or if the values are invalid. Chromaticities
        without a gamma are ignored, as browsers do.
    """
    if gamma <= 0:
        return None
    if not chromaticities and abs(gamma * 2.2 - 1) < _NEUTRAL:
        return None
    to_srgb = _matrix(chromaticities or _PRIMARIES[_BT709], _PRIMARIES[_BT709])
    if not np.abs(to_srgb).max() < _LARGEST_FACTOR:  # also true for NaN
        return None
    return _converter(_NUMBERS ** (1 / gamma), to_srgb)


_NUMBERS = np.arange(256) / 255
# A gamma this close to 1/2.2, without chromaticities, means sRGB (libpng's threshold).
_NEUTRAL = 0.05
# Primaries that lie almost on one line are invalid. They give very large factors.
_LARGEST_FACTOR = 1000


# Transfer functions: encoded value, 0 to 1 → light relative to white


def _srgb_light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _smpte_240m_light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(value < 0.0912, value / 4, ((value + 0.1115) / 1.1115) ** (1 / 0.45))


def _pq_light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Implement BT.2100 table 4, relative to the reference white."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = value ** (1 / m2)
    return (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * (10_000 / _REFERENCE_WHITE)


def _hlg_light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Implement BT.2100 table 5. The result is scene light, with a maximum of 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)


def _power(exponent: float, scale: float = 1.0) -> Callable[..., NDArray[np.float64]]:
    return lambda value: scale * value**exponent


# H.273 table 3. Video curves use the display function of BT.1886, as Chromium does for such PNGs.
# Code point 8 is linear light.
_CURVES: dict[int, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    **dict.fromkeys((*VIDEO_CURVES, 11), _power(2.4)),
    4: _power(2.2),
    5: _power(2.8),
    7: _smpte_240m_light,
    8: _power(1),
    13: _srgb_light,
    _PQ: _pq_light,
    17: _power(2.6, 52.37 / 48),  # SMPTE ST 428-1
    _HLG: _hlg_light,
}


# Primaries: x and y of white, red, green and blue

_BT709, _BT2020 = 1, 9
_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
_SMPTE_170M = (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
# H.273 table 2
_PRIMARIES: dict[int, tuple[float, ...]] = {
    _BT709: (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: _SMPTE_170M,
    7: _SMPTE_170M,
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    _BT2020: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    10: (1 / 3, 1 / 3, 1, 0, 0, 1, 0, 0),  # CIE 1931 XYZ
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
# From XYZ to cone responses, for chromatic adaptation (Bradford; ICC.1:2022 annex E).
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def _matrix(source: Sequence[float], target: Sequence[float]) -> _Light:
    """Return the matrix from one set of primaries to another, with adapted white points.

    For invalid primaries it holds very large factors, infinities or NaN.
    """
    if not all(0 <= value <= 1 for value in source):
        return np.full((3, 3), np.inf, np.float32)
    try:
        with np.errstate(all="ignore"):
            receptors = _BRADFORD @ _white(target) / (_BRADFORD @ _white(source))
            adaptation = np.linalg.solve(_BRADFORD, receptors[:, None] * _BRADFORD)
            matrix = np.linalg.solve(_to_xyz(target), adaptation @ _to_xyz(source))
    except np.linalg.LinAlgError:
        return np.full((3, 3), np.inf, np.float32)
    return matrix.astype(np.float32)


def _white(primaries: Sequence[float]) -> NDArray[np.float64]:
    x, y = primaries[:2]
    return np.array([x, y, 1 - x - y]) / np.float64(y)


def _to_xyz(primaries: Sequence[float]) -> NDArray[np.float64]:
    x, y = np.array(primaries[2::2]), np.array(primaries[3::2])
    columns = np.stack([x, y, 1 - x - y])
    return columns * np.linalg.solve(columns, _white(primaries))


# Conversion

_STEPS = 2**16 - 1


def _srgb_numbers() -> NDArray[np.uint8]:
    """Return the sRGB value for each of 65,536 steps of light (IEC 61966-2-1)."""
    light = np.arange(_STEPS + 1) / _STEPS
    fraction = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(fraction * 255).astype(np.uint8)


_SRGB_NUMBERS = _srgb_numbers()


def _encode(light: NDArray[np.floating]) -> NDArray[np.uint8]:
    steps = np.clip(light, 0, 1) * _STEPS + 0.5
    numbers: NDArray[np.uint8] = np.take(_SRGB_NUMBERS, steps.astype(np.uint16))
    return numbers


def _converter(light: NDArray[np.float64], to_srgb: _Light) -> _Convert:
    if np.abs(to_srgb - np.eye(3)).max() < _INVISIBLE:
        table = _encode(light).tolist()
        if table == list(range(256)):  # the encoding is sRGB
            return lambda strip: strip.convert("RGB")
        return lambda strip: strip.convert("RGB").point(table * 3)
    curve = light.astype(np.float32)

    def convert(strip: Image.Image) -> Image.Image:
        return Image.fromarray(_encode(_light_of(strip, curve) @ to_srgb.T))

    return convert


# Smaller differences change no value by more than 1.
_INVISIBLE = 1e-3


def _hdr_converter(
    light: NDArray[np.float64],
    to_bt2020: _Light,
    tone: Callable[[_Light], _Light],
    *,
    scene_light: bool,
) -> _Convert:
    curve = light.astype(np.float32)
    to_srgb = _matrix(_PRIMARIES[_BT2020], _PRIMARIES[_BT709])

    def convert(strip: Image.Image) -> Image.Image:
        linear = _light_of(strip, curve) @ to_bt2020.T
        if scene_light:
            linear = _displayed(linear)
        largest = np.maximum(np.maximum(linear[..., 0], linear[..., 1]), linear[..., 2])
        linear *= tone(largest)[..., None]
        return Image.fromarray(_encode(linear @ to_srgb.T))

    return convert


def _light_of(strip: Image.Image, curve: _Light) -> _Light:
    return np.take(curve, np.asarray(strip.convert("RGB")))


_BT2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
_HLG_GAMMA = 1.2


def _displayed(scene: _Light) -> _Light:
    """Convert HLG scene light to light on its nominal display (BT.2100 table 5, OOTF)."""
    luminance = np.maximum(scene @ _BT2020_LUMINANCE, 0)
    factor: _Light = luminance ** np.float32(_HLG_GAMMA - 1) * (_DEFAULT_PEAK / _REFERENCE_WHITE)
    displayed: _Light = scene * factor[..., None]
    return displayed


def _tone_mapping(peak: float) -> Callable[[_Light], _Light]:
    """Return the tone mapping: a pixel's largest component → its factor.

    Implements ST 2094-50 annex D for SDR. Light up to the reference white gets one factor. Brighter
    light follows a Bézier curve that maps the peak to white. If the peak does not exceed the
    reference white, all factors are 1.
    """
    brightest = peak / _REFERENCE_WHITE
    if brightest <= 1:
        return np.ones_like
    white = 1 - 0.5 * min(math.log(brightest) / math.log(1000 / 203), 1)
    middle = 0.65
    across = (1.0, 1 - middle + middle / white, brightest)
    up = (white, (1 - middle) * white + middle, 1.0)
    fraction = np.linspace(0, 1, 65)
    weights = np.stack([(1 - fraction) ** 2, 2 * fraction * (1 - fraction), fraction**2])
    x, y = across @ weights, up @ weights

    light = np.linspace(0, _MOST_LIGHT, _STEPS + 1)
    factors = np.interp(light, x, y / x) * (x[-1] / np.maximum(light, x[-1]))
    table = factors.astype(np.float32)

    def factor(largest: _Light) -> _Light:
        steps = np.clip(largest, 0, _MOST_LIGHT) * (_STEPS / _MOST_LIGHT)
        return np.take(table, steps.astype(np.uint16))

    return factor


_MOST_LIGHT = 10_000 / _REFERENCE_WHITE  # the maximum of PQ
