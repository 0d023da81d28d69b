"""Reading images leaves what Pillow and Python hold for the whole process as its owner set it, and does not obey it."""

import io
import struct
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from horrors import encoded, picture, png_header
from lookalike.data.decode import Unreadable, decode, header, open_image
from lookalike.data.pillow_warnings import no_errors_from_warnings

ODD_EXIF = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 3, 0x0112, 3, 1, 6, 0, 0)  # promises three tags
PLAIN = encoded(picture(1), "JPEG")
WARNED = PLAIN[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(ODD_EXIF) + 2) + ODD_EXIF + PLAIN[2:]


def test_importing_and_decoding_change_nothing():
    code = f"""
import io, sys, warnings
from PIL import Image, ImageFile
before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
import lookalike, lookalike.data.base, lookalike.data.quality
from lookalike.data.decode import decode, open_image
decode(open_image(io.BytesIO({WARNED!r})), 32)
assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == before
assert not [f for f in warnings.filters if "PIL" in str(f)]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("limit", [1, 100, None])
def test_the_limit_of_a_program_is_its_own(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    for kind in ("PNG", "JPEG", "BMP", "PPM"):  # the readers of the others ask for Pillow's limit themselves
        assert decode(open_image(io.BytesIO(encoded(picture(), kind))), 64, 3).shape == (30, 40, 3)
    with pytest.raises(Unreadable, match="20000 x 10000 pixels: too large"):
        header(open_image(io.BytesIO(png_header(20_000, 10_000))))


def test_half_of_our_limit_is_no_warning():
    assert header(open_image(io.BytesIO(png_header(10_000, 10_000)))).width == 10_000


def test_a_file_that_is_warned_of_is_read_where_warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning), Image.open(io.BytesIO(WARNED)) as image:
            image.getexif()
        before = list(warnings.filters)
        raw = open_image(io.BytesIO(WARNED))
        assert (header(raw).width, header(raw).height) == (30, 40)
        assert np.array_equal(decode(raw, 64), np.rot90(decode(open_image(io.BytesIO(PLAIN)), 64), -1))
        assert warnings.filters == before


def test_several_threads_leave_the_filters_as_they_were():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        meet = threading.Barrier(4)

        def read() -> None:
            for _ in range(20):
                with no_errors_from_warnings():
                    meet.wait(10)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert warnings.filters == before


def test_what_a_program_set_for_truncated_files_stays(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    decode(open_image(io.BytesIO(encoded(picture()))), 16)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
