"""Damaged files of every kind are a clear error or a skip: never another exception, a hang or a full memory."""

import gzip
import io
import os
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import lookalike
from deep_files import png16
from horrors import add_bytes, encoded, picture
from lookalike.core.errors import LookalikeError
from lookalike.data import sources
from lookalike.data.base import Images
from lookalike.data.decode import Unreadable, decode, open_image
from lookalike.data.quality import examine

CASES = 60


def damaged(data: bytes, seed: int) -> bytes:
    """The same file cut short, with bytes flipped, with a stretch zeroed, doubled or filled with noise."""
    rng = random.Random(seed)
    kind = rng.randrange(5)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    out = bytearray(data)
    near = min(len(data), 400) if rng.random() < 0.5 else len(data)  # headers are short and decide most
    if kind == 1:
        for _ in range(rng.randint(1, 8)):
            out[rng.randrange(near)] ^= 1 << rng.randrange(8)
    elif kind == 2:
        at = rng.randrange(near)
        out[at : at + rng.randint(1, 64)] = bytes(rng.randint(1, 64))
    elif kind == 3:
        at = rng.randrange(near)
        out[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0"])
    else:
        at = rng.randrange(near)
        out[at:at] = rng.randbytes(rng.randint(1, 300))
    return bytes(out)


def bands() -> bytes:
    file = io.BytesIO()
    x = np.arange(20 * 30 * 5, dtype=np.uint16).reshape(20, 30, 5)
    tifffile.imwrite(file, x, photometric="minisblack", planarconfig="contig", tile=(16, 16), compression="zlib")
    return file.getvalue()


IMAGES = {
    "jpg": encoded(picture(0, (200, 150)), "JPEG"),
    "png": encoded(picture(0, (200, 150))),
    "palette.png": encoded(picture(0).quantize(16), transparency=bytes(range(16))),
    "deep.png": encoded(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 99)),
    "gif": encoded(picture(0), "GIF", save_all=True, append_images=[picture(1)]),
    "webp": encoded(picture(0), "WEBP"),
    "bmp": encoded(picture(0), "BMP"),
    "tif": encoded(picture(0), "TIFF"),
    "lzw.tif": encoded(picture(0), "TIFF", compression="tiff_lzw"),
    "ppm": encoded(picture(0), "PPM"),
    "deep colour.png": png16(np.arange(20 * 30 * 4, dtype=np.uint16).reshape(20, 30, 4) * 9, interlaced=True),
    "deep.ppm": b"P6\n30 20\n65535\n" + np.arange(1800, dtype=">u2").tobytes(),
    "bands.tif": bands(),
    "lzw floats.tif": encoded(
        Image.fromarray(np.arange(600, dtype=np.float32).reshape(20, 30)), "TIFF", compression="tiff_lzw"
    ),
    "end.jpg": encoded(picture(0, (200, 150)), "JPEG")[:-2],
}


@pytest.mark.parametrize("kind", sorted(IMAGES))
def test_images(kind):
    for seed in range(CASES):
        try:
            pixels = decode(open_image(io.BytesIO(damaged(IMAGES[kind], seed))), 32)
        except Unreadable as error:
            assert str(error)
        else:
            assert pixels.dtype == np.uint8 and pixels.ndim == 3 and max(pixels.shape[:2]) <= 32


def npy(x: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


def npz(save) -> bytes:
    file = io.BytesIO()
    save(file, images=np.arange(10 * 64, dtype=np.uint16).reshape(10, 8, 8).astype(np.uint8), labels=np.arange(10))
    return file.getvalue()


def tar(mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for i in range(4):
            add_bytes(archive, f"photos/{'é' * 60}{i}.png", encoded(picture(i, (12, 9))))
            add_bytes(archive, f"photos/{i}.cls", b"1")
    return file.getvalue()


def zipped(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for i in range(4):
            archive.writestr(f"photos/{i}.png", encoded(picture(i, (12, 9))))
    return file.getvalue()


FILES = {
    "a.npy": npy(np.arange(10 * 64, dtype=np.uint16).reshape(10, 8, 8).astype(np.uint8)),
    "float.npy": npy(np.arange(10 * 64, dtype=np.float32).reshape(10, 8, 8)),
    "a.npz": npz(np.savez),
    "packed.npz": npz(np.savez_compressed),
    "a.tar": tar("w"),
    "a.tar.gz": tar("w:gz"),
    "a.tar.xz": tar("w:xz"),
    "a.zip": zipped(zipfile.ZIP_DEFLATED),
    "stored.zip": zipped(zipfile.ZIP_STORED),
    "bzip2.zip": zipped(zipfile.ZIP_BZIP2),
    "a.csv": b"file_name,label,split\n" + b"".join(b"%d.png,%d,train\n" % (i, i % 2) for i in range(20)),
    "a.txt": b"".join(b"%d.png\n" % i for i in range(20)),
}


def look(data: str) -> None:
    """Find DATA and decode all of it; only a LookalikeError may come of that."""
    try:
        found = sources.find(data)
    except LookalikeError as error:
        assert str(error)
        return
    if isinstance(found, Images):
        assert found.pixels.shape[0] == len(found.paths) > 0
        found.pixels.sum()
        return
    for entry in found.entries:
        pixels, examined = examine(entry, 16)
        assert (pixels is None) == (examined.reason is not None)


@pytest.mark.parametrize("name", sorted(FILES))
def test_files(tmp_path: Path, name: str):
    for i in range(0, 20, 3):
        (tmp_path / f"{i}.png").write_bytes(encoded(picture(i, (5, 4))))
    for seed in range(CASES):
        (tmp_path / name).write_bytes(damaged(FILES[name], seed))
        look(str(tmp_path / name))


def idx(shape: tuple[int, ...]) -> bytes:
    n = int(np.prod(shape))
    values = (np.arange(n) % 10).astype(np.uint8).tobytes()
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


@pytest.mark.parametrize("packed", [False, True])
def test_mnist(tmp_path: Path, packed: bool):
    whole = {}
    for part in ("train", "t10k"):
        whole[f"{part}-images-idx3-ubyte"] = idx((6, 5, 5))
        whole[f"{part}-labels-idx1-ubyte"] = idx((6,))
    if packed:
        whole = {f"{name}.gz": gzip.compress(data) for name, data in whole.items()}
    for seed in range(CASES):
        for name, data in whole.items():
            hurt = name == sorted(whole)[seed % 4]
            (tmp_path / name).write_bytes(damaged(data, seed) if hurt else data)
        look(f"mnist:{tmp_path}")


@pytest.mark.parametrize("form", ["binary", "python", "archive"])
def test_cifar10(tmp_path: Path, form: str):
    rng = np.random.default_rng(0)
    whole = {}
    for batch in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        x = rng.integers(0, 256, (2, 3072), dtype=np.uint8)
        if form == "python":
            whole[batch] = pickle.dumps({b"data": x, b"labels": [1, 2]}, protocol=2)
        else:
            whole[f"{batch}.bin"] = b"".join(bytes([3]) + row.tobytes() for row in x)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in whole.items():
            add_bytes(archive, f"cifar/{name}", data)
    if form == "archive":
        whole = {"cifar-10-binary.tar.gz": file.getvalue()}
    for seed in range(CASES):
        for i, (name, data) in enumerate(whole.items()):
            (tmp_path / name).write_bytes(damaged(data, seed) if i == seed % len(whole) else data)
        look(f"cifar10:{tmp_path}")


# -- what is promised and is not there, in a process of little memory

_PROBE = """
import resource, sys
from lookalike.core.errors import LookalikeError
from lookalike.data import sources
from lookalike.data.quality import examine
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for data in sys.argv[1:]:
    try:
        found = sources.find(data)
        said = "; ".join(str(examine(entry, 32)[1].reason) for entry in found.entries)
    except LookalikeError as error:
        said = str(error)
    print(said.replace("\\n", " "))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def tiff_with_huge_tags() -> bytes:
    """A TIFF whose tags promise 2^32 - 1 values each."""
    tags = [(256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 0xFFFFFFFF, 8), (273, 4, 0xFFFFFFFF, 8), (279, 4, 0xFFFFFFFF, 8)]
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags) + bytes(4)


def npy_header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(1000)


def test_promises_do_not_fill_the_memory(tmp_path: Path):
    (tmp_path / "huge.npy").write_bytes(npy_header((10**6, 1000, 1000)))
    (tmp_path / "deep.npy").write_bytes(npy_header((10**6, 1000, 1000), "<f8"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "huge.npy").write_bytes(npy_header((10**6, 10**6)))
    (tmp_path / "folder" / "huge.tif").write_bytes(tiff_with_huge_tags())
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("images.npy", npy_header((10**6, 1000, 1000)))
    bomb = zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED)
    with bomb, bomb.open("x.npy", "w") as file:
        file.write(npy_header((1100, 1024, 1024))[:-1000])
        for _ in range(1100):
            file.write(bytes(1 << 20))
    megabyte = gzip.compress(bytes(1 << 20))  # many of these one after another unpack as one
    for folder in ("idx", "packed"):
        (tmp_path / folder).mkdir()
        for part in ("train", "t10k"):
            head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 28, 28)
            data = head + bytes(1000) if folder == "idx" else idx((2, 2, 2))
            (tmp_path / folder / f"{part}-images-idx3-ubyte").write_bytes(data)
            (tmp_path / folder / f"{part}-labels-idx1-ubyte").write_bytes(idx((2,)))
    (tmp_path / "packed" / "train-images-idx3-ubyte").unlink()
    (tmp_path / "packed" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx((2, 2, 2))) + megabyte * 1300)
    for name, kind in (("data_batch_1.bin", tarfile.REGTYPE), ("a.png", tarfile.XHDTYPE), ("b.png", tarfile.REGTYPE)):
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, 1300 << 20
        (tmp_path / f"{name[0]}.tar.gz").write_bytes(gzip.compress(info.tobuf()) + megabyte * 1300)
    expected = {
        "huge.npy": "cannot read",
        "deep.npy": "cannot read",
        "huge.npz": "cannot read",
        "bomb.npz": "decompression bomb",
        "folder": "no .npy file of numbers",
        "mnist:idx": "promises 2147483648 x 28 x 28",
        "mnist:packed": "promises 2 x 2 x 2 values but holds 9",
        "cifar10:d.tar.gz": "1,363,148,800 bytes is not CIFAR-10",
        "a.tar.gz": "a record of 1,363,148,800 bytes",
        "b.tar.gz": "too large",
    }
    ran = subprocess.run(
        [sys.executable, "-c", _PROBE, *expected],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(lookalike.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    *said, kilobytes = ran.stdout.splitlines()
    for line, (data, part) in zip(said, expected.items(), strict=True):
        assert part in line, (data, line)
    assert int(kilobytes) < 1 << 20, said
