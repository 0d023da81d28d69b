"""A store many times as large as the memory that training takes."""

import subprocess
import sys
from pathlib import Path

import pytest

from lookalike.data import store

TRAIN = """
import sys
from pathlib import Path
import numpy as np, torch
from lookalike import api
from lookalike.data import store, store_format
from lookalike.data.base import LoadConfig
from lookalike.data.padded import digests
from lookalike.data.image_index import ImageRef, ImageIndex
from lookalike.data.store_format import GOOD, RECORD, Index, Shape, Stored
from lookalike.data.header_scan import HeaderScan
from lookalike.methods.simclr import Options

place = Path(sys.argv[1])
shape = Shape(3, 64)
n = 2 * 2**30 // shape.bytes
image_index = ImageIndex(tuple(ImageRef(f"{i:07d}.jpg", (i, i), None) for i in range(n)), "many")
key = store.key_of(image_index)
folder = place / "cache" / f"{key}-64"
folder.mkdir(parents=True)
HeaderScan(3, 64, 0, True).write(folder.parent / f"{key}.json")
index = Index(shape, np.zeros(n, RECORD), {})
black = digests(torch.zeros(1, 3, 48, 64, dtype=torch.uint8), None)[0]
for key, value in (("state", GOOD), ("digest", black), ("height", 48), ("width", 64)):
    index.records[key] = value
index.write(folder)
with open(folder / "canvases", "wb") as file:  # a hole: it reads as black and takes no room
    file.truncate(n * shape.bytes)
store.available_bytes = lambda: 4 * 2**30
images = store.load(image_index, 32, LoadConfig(cache=str(place / "cache")))
assert isinstance(images.pixels, Stored) and images.shape == (3, 32, 32)
options = Options(out=str(place / "run"), max_steps=3, batch_size=256, width=4, threads=1, snapshots=False)
run = api.train("simclr", options, images=images)
backbone = api.load_feature_extractor(run.encoder, "cpu")
assert len(backbone.features(images.center_crops.take(torch.arange(0, n, n // 2000)))) >= 2000
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss is the parent's too
print("peak", int(peak.split()[1]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems count memory in other units")
def test_training_from_two_gigabytes_takes_less_than_one(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path)],
        env={"PYTHONPATH": str(Path(store.__file__).parents[2]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.split("peak ")[1])
    assert peak < 2**30, f"{peak / 2**30:.2f} GiB"
    print(f"{peak / 2**30:.2f} GiB")
