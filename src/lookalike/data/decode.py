"""From an opened image to pixels: orientation, depth, alpha, channels and scale are settled here, for all sources.

An image is scaled, once, so that its longer side fits; it is never enlarged and keeps its aspect. What its file is,
`opening.py` finds out; values of more than 8 bits become 8 as `levels.py` says.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import ExifTags, Image, ImageOps

from lookalike.core.words import counted
from lookalike.data import heif, jpeg
from lookalike.data.axes import channels_last as channels_last
from lookalike.data.deep import DeepImage, Kind
from lookalike.data.image_index import Raw
from lookalike.data.jpeg import Jpeg
from lookalike.data.jpeg_end import mended
from lookalike.data.levels import eight_bits as eight_bits
from lookalike.data.opening import open_image as open_image
from lookalike.data.opening import opened_by_pillow
from lookalike.data.pillow_warnings import no_errors_from_warnings
from lookalike.data.scale import scaled
from lookalike.data.unreadable import MOST_PIXELS as MOST_PIXELS
from lookalike.data.unreadable import Unreadable as Unreadable
from lookalike.data.unreadable import check_size
from lookalike.data.unreadable import reason_of as reason_of

_READERS = "2"  # changes with the pixels that files have by the readers here: stores of before are made anew
_GAP = 3.0  # Pillow first averages whole blocks, down to this many times the size asked for
_LARGE = 2**19  # bytes of a decoded image from which it is scaled at once
_GREY = ("1", "L", "LA", "La", "I", "F")
_BITS = {"1": 1, "I": 32, "F": 32}
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class Header:
    """What an image says of itself before it is decoded."""

    width: int
    """Pixels, once the image is upright."""
    height: int
    channels: int
    """1 for grey, 3 for colour, else an array's own number."""
    bits: int
    """Of a value: 8, 16..."""
    kind: Kind
    """"channels" where three channels need not be colour, or there is another number than 1 or 3."""


def header(raw: Raw) -> Header:
    """What `raw` is, without decoding it; leaves it open.

    Raises:
        Unreadable: no pixels, too many, or values that are no numbers.
    """
    if isinstance(raw, np.ndarray):
        return _array_header(raw)
    if isinstance(raw, Jpeg):
        check_size(raw.width, raw.height)
        turned = raw.orientation in _ON_ITS_SIDE
        width, height = (raw.height, raw.width) if turned else (raw.width, raw.height)
        return Header(width, height, 1 if raw.grey else 3, 8, "grey" if raw.grey else "colour")
    if isinstance(raw, DeepImage):
        check_size(raw.width, raw.height, raw.channels)
        turned = raw.orientation in _ON_ITS_SIDE
        width, height = (raw.height, raw.width) if turned else (raw.width, raw.height)
        return Header(width, height, raw.channels, raw.bits, raw.kind)
    width, height = raw.size
    check_size(width, height)
    if _orientation(raw) in _ON_ITS_SIDE and not _turned_by_pillow(raw):
        width, height = height, width
    grey = raw.mode in _GREY or raw.mode.startswith("I;16")
    bits = 16 if raw.mode.startswith("I;16") else _BITS.get(raw.mode, 8)
    return Header(width, height, 1 if grey else 3, bits, "grey" if grey else "colour")


def decode(raw: Raw, side: int, channels: int | None = None) -> np.ndarray:
    """Pixels of an opened image, which is closed afterwards. May be called from several threads.

    A JPEG is decoded at the smallest scale that is not smaller than what is asked for. Of several frames the first is
    taken. Alpha is composited over white. Arrays of 8 bits and truth values (0 and 255) are taken as they are.

    Args:
        raw: as `ImageRef.open` gives it.
        side: pixels that the longer side has at most.
        channels: of the result; grey becomes colour where it is 3. None: the image's own.

    Returns:
        uint8 [h, w, channels]; h and w are at least 1.

    Raises:
        Unreadable: damaged, cut short, too large, without a finite value, or of another number of channels.
    """
    (pixels,) = decode_all([raw], side, channels)
    if isinstance(pixels, Unreadable):
        raise pixels
    return pixels


def decode_all(raws: Iterable[Raw], side: int, channels: int | None = None) -> list[np.ndarray | Unreadable]:
    """`decode` for several images, faster, as they are scaled together. Errors are returned, not raised."""
    results = [_decoded(raw, side, channels) for raw in raws]
    alike: dict[tuple[object, ...], list[_Unscaled]] = {}
    for one in results:
        if isinstance(one, _Unscaled):
            alike.setdefault((one.pixels.shape, one.size, one.extent), []).append(one)
    for group in alike.values():
        resized = scaled([one.pixels for one in group], group[0].size, group[0].extent)
        for one, pixels in zip(group, resized, strict=True):
            one.pixels = pixels
    return [one.upright() if isinstance(one, _Unscaled) else one for one in results]


@dataclass(eq=False)
class _Unscaled:
    """Pixels as a decoder gave them."""

    pixels: np.ndarray
    size: tuple[int, int]
    """That they are to have, before they are turned upright."""
    extent: tuple[float, float]
    """What the image fills of them."""
    orientation: int
    channels: int = 0
    """Of the result."""

    def upright(self) -> np.ndarray:
        """The result, once it is scaled."""
        return _of_channels(_upright(self.pixels, self.orientation), self.channels)


def _decoded(raw: Raw, side: int, channels: int | None) -> np.ndarray | _Unscaled | Unreadable:
    try:
        with no_errors_from_warnings():
            return _read(raw, side, channels)
    except Unreadable as error:
        return error
    except Exception as error:  # Pillow raises nearly anything on a broken file
        reason = Unreadable(reason_of(error))
        reason.__cause__ = error
        return reason
    finally:
        if not isinstance(raw, np.ndarray):
            raw.close()


def _read(raw: Raw, side: int, channels: int | None) -> np.ndarray | _Unscaled:
    head = header(raw)
    wanted = channels or head.channels
    if head.channels != wanted and (head.channels, wanted) != (1, 3):
        raise Unreadable(f"has {_channel_words(head.channels)} where the collection has {_channel_words(wanted)}")
    size = fitted(head.width, head.height, side)
    if isinstance(raw, np.ndarray):
        pixels = _resize_array(eight_bits(raw.reshape(*raw.shape[:2], -1)), size)
    elif isinstance(raw, DeepImage):
        stored = size[::-1] if raw.orientation in _ON_ITS_SIDE else size
        pixels = _upright(_resize_array(raw.levels(), stored), raw.orientation)
    else:
        decoded = _decode_jpeg(raw, size) if isinstance(raw, Jpeg) else _decode_opened(raw, size)
        if isinstance(decoded, _Unscaled):
            decoded.channels = wanted
            if decoded.pixels.nbytes > _LARGE:  # is not kept for others, which are few
                (decoded.pixels,) = scaled([decoded.pixels], decoded.size, decoded.extent)
                return decoded.upright()
            return decoded
        pixels = decoded
    return _of_channels(pixels, wanted)


def _of_channels(pixels: np.ndarray, wanted: int) -> np.ndarray:
    return pixels if pixels.shape[2] == wanted else np.repeat(pixels, wanted, axis=2)


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) with the longer of them at most `side`, neither below 1."""
    longer = max(width, height)
    if longer <= side:
        return width, height
    return max(1, round(width * side / longer)), max(1, round(height * side / longer))


def _channel_words(n: int) -> str:
    return counted(n, "channel (grey)", "channels")


def _array_header(x: np.ndarray) -> Header:
    if x.ndim not in (2, 3):
        raise Unreadable(f"an array of shape {list(x.shape)} is no image [H, W] or [H, W, C]")
    height, width = x.shape[:2]
    channels = 1 if x.ndim == 2 else x.shape[2]
    check_size(width, height, channels)
    if x.dtype.kind not in "buif":
        raise Unreadable(f"values of type {x.dtype} are no brightness{_remedy(x.dtype)}")
    eight = x.dtype == np.uint8 or x.dtype == np.bool_
    kind: Kind = "grey" if channels == 1 else "colour" if channels == 3 and eight else "channels"
    return Header(width, height, channels, x.dtype.itemsize * 8, kind)


def _remedy(dtype: np.dtype) -> str:
    if dtype.kind == "c":
        return ": save their magnitude"
    if dtype.names:
        return f": save one field of {', '.join(dtype.names)}, or stack them as channels"
    return ": save them as float32" if dtype.kind == "V" else ""  # bfloat16 among them


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or it cannot be read."""
    try:  # the method of PNG files would decode them first
        with no_errors_from_warnings():
            return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1


def _turned_by_pillow(image: Image.Image) -> bool:
    """Whether the size is that of the upright image already, as it is for TIFF in newer versions of Pillow."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return False
    stored = (tags.get(256), tags.get(257))
    return stored[0] == stored[1] or image.size != stored


def _decode_jpeg(raw: Jpeg, size: tuple[int, int]) -> np.ndarray | _Unscaled:
    stored = size[::-1] if raw.orientation in _ON_ITS_SIDE else size
    fast = raw.decoded(*stored)
    if fast is not None:
        return _Unscaled(fast[0], stored, fast[1], raw.orientation)
    return _decode_opened(_by_pillow(raw.read()), size)


def _by_pillow(data: bytes) -> Image.Image:
    return opened_by_pillow(io.BytesIO(data), data)


def _decode_opened(image: Image.Image, size: tuple[int, int]) -> np.ndarray | _Unscaled:
    """The same of an image of Pillow; a JPEG that lacks nothing but its end marker is whole."""
    if image.format not in ("JPEG", "MPO"):
        return _decode_image(image, size)
    file, name = getattr(image, "fp", None), getattr(image, "filename", "")
    try:
        return _decode_image(image, size)
    except OSError:
        if file is None or (file.closed and not name):
            raise
        if file.closed:
            data = Path(name).read_bytes()
        else:
            file.seek(0)
            data = file.read()
        if reason := jpeg.unusual(data):
            raise Unreadable(reason) from None
        return _decode_image(_by_pillow(mended(data)), size)


def _decode_image(image: Image.Image, size: tuple[int, int]) -> np.ndarray | _Unscaled:
    tiff = image.format == "TIFF"  # is turned by Pillow while it loads, or else by its tag afterwards
    orientation = 1 if tiff else _orientation(image)
    stored = size[::-1] if orientation in _ON_ITS_SIDE else size
    box = None
    if image.format in ("JPEG", "MPO") and image.width >= 2 * stored[0] and image.height >= 2 * stored[1]:
        drafted = image.draft(None, stored)
        box = None if drafted is None else drafted[1]
    image.load()
    check_size(*image.size)
    if tiff:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        pixels = _resize_array(eight_bits(np.asarray(image)[:, :, None]), stored)
    else:
        flat = _flat(image)
        if box is not None:  # scaled by the decoder to less than twice what is asked for, mostly
            lines = np.array(flat).reshape(flat.height, flat.width, -1)
            return _Unscaled(lines, stored, box[2:], orientation)
        if flat.size != stored:
            flat = flat.resize(stored, Image.Resampling.BILINEAR, reducing_gap=_GAP)
        pixels = np.array(flat).reshape(stored[1], stored[0], -1)
    return _upright(pixels, orientation)


def decoders() -> tuple[str, ...]:
    """What decodes and scales here, with versions: pixels depend on it."""
    return PIL.__version__, jpeg.decoder(), torch.__version__, heif.decoder(), _READERS


def _flat(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB, over white where it is not opaque."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        grey = image.mode in _GREY
        with_alpha = image.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        if alpha.getextrema() != (255, 255):
            white = Image.new("RGB", image.size, (255, 255, 255))
            white.paste(with_alpha, mask=alpha)
            return white.convert("L") if grey else white
        return with_alpha.convert("L" if grey else "RGB")
    return image.convert("L" if image.mode in _GREY else "RGB")


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels [h, w, C] turned and mirrored as the EXIF orientation asks for."""
    if orientation in _ON_ITS_SIDE:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels if orientation == 1 else np.ascontiguousarray(pixels)


def _resize_array(x_HWC: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if (x_HWC.shape[1], x_HWC.shape[0]) == size:
        return np.array(x_HWC)
    planes = (Image.fromarray(np.ascontiguousarray(x_HWC[:, :, c])) for c in range(x_HWC.shape[2]))
    scaled = [plane.resize(size, Image.Resampling.BILINEAR, reducing_gap=_GAP) for plane in planes]
    return np.stack([np.asarray(plane) for plane in scaled], axis=2)
