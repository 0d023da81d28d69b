"""The folder of horrors: what people's folders hold beside good images, and archives nobody should unpack."""

from __future__ import annotations

import io
import os
import socket
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

ROOT_READS_ALL = hasattr(os, "geteuid") and os.geteuid() == 0


def picture(seed: int = 0, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A colour image of noise that is smooth enough for JPEG; size is (width, height)."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """An image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR" + head, b"IDAT" + zlib.compress(bytes(100)), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks
    )


def make_horrors(folder: Path) -> dict[str, str | None]:
    """Fill a folder; for each name a part of the reason why it is refused, None where it is good.

    Names are those that a listing gives: relative to the folder, posix separators.
    """
    folder.mkdir(parents=True, exist_ok=True)
    said: dict[str, str | None] = {}

    def put(name: str, data: bytes, reason: str | None = None) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        said[name] = reason
        return path

    # good
    put("plain.png", encoded(picture(1)))
    put("photo.jpg", encoded(picture(2, (700, 500)), "JPEG", quality=90))
    put("cmyk.jpg", encoded(picture(3).convert("CMYK"), "JPEG"))
    deep = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40) * 50
    put("deep.png", encoded(Image.fromarray(deep)))
    put("deep.tif", encoded(Image.fromarray(deep), "TIFF"))
    put("float.tiff", encoded(Image.fromarray(deep.astype(np.float32) / 7), "TIFF"))
    frames = [picture(4), picture(5)]
    put("animated.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    palette = picture(6).quantize(8)
    put("palette alpha.png", encoded(palette, transparency=bytes([0, 128, 255, 255, 255, 255, 255, 255])))
    exif = Image.Exif()
    exif[0x0112] = 6
    put("rotated.jpg", encoded(picture(7), "JPEG", exif=exif))
    put("one.webp", encoded(picture(8), "WEBP", lossless=True))
    put("one.bmp", encoded(picture(9), "BMP"))
    put("one.ppm", encoded(picture(10), "PPM"))
    put("with space.png", encoded(picture(11)))
    put("new\nline.png", encoded(picture(12)))
    put("猫🐈é.png", encoded(picture(13)))
    put("--dashes.png", encoded(picture(14)))
    put(os.fsdecode(b"caf\xe9.png"), encoded(picture(15)))
    put("dot.png", encoded(picture(16, (1, 1))))
    put("line.png", encoded(picture(17, (20000, 3))))
    put("here/same.png", encoded(picture(18)))
    put("there/same.png", encoded(picture(19)))
    five = io.BytesIO()
    np.save(five, np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    put("array.npy", five.getvalue())

    # bad
    jpeg = encoded(picture(20, (600, 400)), "JPEG", quality=95)
    put("corrupt.jpg", jpeg[: len(jpeg) // 2], "truncated")
    put("damaged.png", encoded(picture(21))[:200] + bytes(50), "")
    put("nothing.jpg", b"", "empty (0 bytes)")
    put("text.jpg", b"this is not a photo", "a text in place of the image")
    put("bomb.png", png_header(60_000, 60_000), "too large")
    os.mkfifo(folder / "pipe.png")
    said["pipe.png"] = "a pipe"
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(folder)  # the name of a socket is short
        listening.bind("socket.png")
        os.chdir(here)
    said["socket.png"] = "a socket"
    (folder / "lost.png").symlink_to("nowhere.png")
    said["lost.png"] = "a link to nothing"
    (folder / "circle.png").symlink_to("circle.png")
    said["circle.png"] = ""
    if not ROOT_READS_ALL:
        put("secret.png", encoded(picture(22)), "no permission").chmod(0)
        (folder / "closed").mkdir(mode=0)
        said["closed/"] = "cannot be read"

    # neither
    (folder / "here" / "loop").symlink_to(folder, target_is_directory=True)
    for name in ("__MACOSX/._plain.png", "._plain.png", ".DS_Store", "Thumbs.db", "notes.txt"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"junk")
    return said


def add_bytes(archive: tarfile.TarFile, name: str, data: bytes, **values: object) -> None:
    """Put a member into an open .tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in values.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def make_horrid_tar(path: Path) -> dict[str, str | None]:
    """A .tar with two good images and members that lead elsewhere; names and reasons as above."""
    with tarfile.open(path, "w") as archive:
        add_bytes(archive, "photos/a.png", encoded(picture(1)))
        add_bytes(archive, "photos/b.png", encoded(picture(2)))
        add_bytes(archive, "../../escape.png", encoded(picture(3)))
        add_bytes(archive, "/etc/absolute.png", encoded(picture(4)))
        add_bytes(archive, "photos/link.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add_bytes(archive, "photos/hard.png", b"", type=tarfile.LNKTYPE, linkname="photos/a.png")
        add_bytes(archive, "photos/pipe.png", b"", type=tarfile.FIFOTYPE)
        add_bytes(archive, "photos/device.png", b"", type=tarfile.CHRTYPE)
        add_bytes(archive, "__MACOSX/photos/._a.png", b"junk")
    return {
        "a.png": None,
        "b.png": None,
        "../../escape.png": "leads out",
        "/etc/absolute.png": "absolute",
        "photos/link.png": "link",
        "photos/hard.png": "link",
        "photos/pipe.png": "pipe or device",
        "photos/device.png": "pipe or device",
    }


def make_horrid_zip(path: Path) -> dict[str, str | None]:
    """A .zip with two good images, names that lead elsewhere, an encrypted member and one that is a bomb."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photos/a.png", encoded(picture(1)))
        archive.writestr("photos/b.png", encoded(picture(2)))
        archive.writestr("../escape.png", encoded(picture(3)))
        archive.writestr("/absolute.png", encoded(picture(4)))
        link = zipfile.ZipInfo("photos/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        with archive.open("photos/bomb.png", "w", force_zip64=True) as file:
            for _ in range(600):
                file.write(bytes(1 << 20))
        archive.writestr("photos/locked.png", encoded(picture(5)))
        archive.writestr("photos/liar.png", encoded(picture(6)))
    data = bytearray(path.read_bytes())
    for name, change in ((b"photos/locked.png", "locked"), (b"photos/liar.png", "liar")):
        at = data.rindex(name) - 46  # its record in the directory at the end
        assert data[at : at + 4] == b"PK\x01\x02"
        if change == "locked":
            data[at + 8] |= 1
        else:
            data[at + 24 : at + 28] = struct.pack("<I", 10)  # its size unpacked
    path.write_bytes(data)
    return {
        "a.png": None,
        "b.png": None,
        "liar.png": "not the 10 bytes",
        "../escape.png": "leads out",
        "/absolute.png": "absolute",
        "photos/link.png": "link",
        "photos/bomb.png": "too large",
        "photos/locked.png": "encrypted",
    }
