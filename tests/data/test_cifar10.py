"""Pins the CIFAR-10 reader: both forms, packed or not, read alike; damaged and hostile files are refused."""

import io
import os
import pickle
import struct
import tarfile

import numpy as np
import pytest
import torch

from lookalike.core.errors import LookalikeError
from lookalike.data.loading import load

BATCHES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


class Python2Pickler(pickle._Pickler):
    """Spells strings and bytes as Python 2 did, whose pickles the original archive holds."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        data = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string


def python2_pickle(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def batches():
    """Pixels uint8 [n, 3072] and labels of six tiny batches."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (4, 3072), dtype=np.uint8), rng.integers(0, 10, 4).tolist()) for name in BATCHES
    }


def binary(x, y):
    return np.concatenate([np.array(y, dtype=np.uint8)[:, None], x], axis=1).tobytes()


def python(x, y):
    return python2_pickle({"batch_label": "training batch", "data": x, "filenames": ["a.png"] * len(x), "labels": y})


def python3(x, y):
    return pickle.dumps({b"data": x, b"labels": y}, protocol=2)


FORMS = {
    "binary": (binary, "cifar-10-batches-bin", "cifar-10-binary.tar.gz", ".bin"),
    "python": (python, "cifar-10-batches-py", "cifar-10-python.tar.gz", ""),
    "python3": (python3, "cifar-10-batches-py", "cifar-10-python.tar.gz", ""),
}


def write_folder(place, form, data=None):
    encode, folder, _, suffix = FORMS[form]
    (place / folder).mkdir(parents=True)
    for name, batch in (data or batches()).items():
        (place / folder / f"{name}{suffix}").write_bytes(encode(*batch))
    return place / folder


def write_archive(place, form, data=None):
    encode, folder, archive, suffix = FORMS[form]
    with tarfile.open(place / archive, "w:gz") as tar:
        for name, batch in (data or batches()).items():
            content = encode(*batch)
            member = tarfile.TarInfo(f"{folder}/{name}{suffix}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return place / archive


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("write", [write_folder, write_archive])
def test_both_forms_read_alike(tmp_path, form, write):
    write(tmp_path, form)
    images = load(f"cifar10:{tmp_path}")
    data = batches()
    assert np.array_equal(images.pixels, np.concatenate([x for x, _ in data.values()]).reshape(-1, 3, 32, 32))
    assert images.labels.tolist() == [label for _, y in data.values() for label in y]
    assert images.split == ("train",) * 20 + ("test",) * 4
    assert images.paths[0] == "data_batch_1/00000" and images.paths[-1] == "test_batch/00003"
    assert images.classes[3] == "cat"


def test_the_archive_or_the_batches_folder_may_be_named_itself(tmp_path):
    archive = write_archive(tmp_path, "python")
    folder = write_folder(tmp_path / "unpacked", "binary")
    assert torch.equal(load(f"cifar10:{archive}").pixels, load(f"cifar10:{folder}").pixels)


@pytest.mark.parametrize("form", ["binary", "python"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_archive(tmp_path, form, share):
    archive = write_archive(tmp_path, form)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    with pytest.raises(LookalikeError, match=f"{archive.name} is damaged or cut short"):
        load(f"cifar10:{tmp_path}")


def test_archive_that_is_a_web_page(tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_text("<html>not found</html>")
    with pytest.raises(LookalikeError, match="is damaged or cut short"):
        load(f"cifar10:{tmp_path}")


def test_missing_batch_in_an_archive(tmp_path):
    data = batches()
    del data["data_batch_4"]
    write_archive(tmp_path, "binary", data)
    with pytest.raises(LookalikeError, match="lacks data_batch_4"):
        load(f"cifar10:{tmp_path}")


def test_missing_batch_in_a_folder(tmp_path):
    folder = write_folder(tmp_path, "python")
    (folder / "test_batch").unlink()
    with pytest.raises(LookalikeError, match=r"cannot read .*test_batch: No such file"):
        load(f"cifar10:{tmp_path}")


@pytest.mark.parametrize("form", ["binary", "python"])
def test_truncated_batch(tmp_path, form):
    folder = write_folder(tmp_path, form)
    path = next(folder.glob("data_batch_2*"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LookalikeError, match=r"data_batch_2.* is neither the binary nor the Python form"):
        load(f"cifar10:{tmp_path}")


def test_nothing_there_says_what_was_found(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(LookalikeError, match=r"found there: \['notes\.txt'\].*--download"):
        load(f"cifar10:{tmp_path}")


@pytest.mark.parametrize(("form", "wrong"), [("binary", 10), ("binary", 255), ("python", 10), ("python", -1)])
def test_labels_out_of_range(tmp_path, form, wrong):
    data = batches()
    data["data_batch_3"][1][2] = wrong
    write_folder(tmp_path, form, data)
    with pytest.raises(LookalikeError, match=rf"data_batch_3.*{wrong}.*not CIFAR-10"):
        load(f"cifar10:{tmp_path}")


@pytest.mark.parametrize(
    "batch",
    [
        {b"data": np.zeros((4, 3072), dtype=np.uint8), b"labels": [0, 1, 2]},
        {b"data": np.zeros((4, 3072), dtype=np.uint8), b"labels": []},
        {b"data": np.zeros((4, 3072), dtype=np.uint8), b"labels": [[0], [1], [2], [3]]},
        {b"data": np.zeros((4, 3072), dtype=np.float32), b"labels": [0, 1, 2, 3]},
        {b"data": np.zeros((4, 100), dtype=np.uint8), b"labels": [0, 1, 2, 3]},
        {b"data": np.zeros((0, 3072), dtype=np.uint8), b"labels": []},
        {b"data": np.zeros((4, 3072), dtype=np.uint8), b"fine_labels": [0, 1, 2, 3]},
        [1, 2, 3],
    ],
)
def test_pickles_of_another_content(tmp_path, batch):
    folder = write_folder(tmp_path, "python")
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(LookalikeError, match=r"data_batch_1.*CIFAR-10"):
        load(f"cifar10:{tmp_path}")


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_malicious_pickle_is_refused_and_does_not_run(tmp_path, protocol):
    folder, trace = write_folder(tmp_path, "python"), tmp_path / "was_here"
    hostile = pickle.dumps({b"data": Malicious(os.system, f"touch {trace}"), b"labels": [0]}, protocol)
    pickle.loads(hostile)
    assert trace.exists()  # the attack works on the ordinary unpickler
    trace.unlink()
    (folder / "data_batch_1").write_bytes(hostile)
    with pytest.raises(LookalikeError, match=r"refused to load \w+\.system"):
        load(f"cifar10:{tmp_path}")
    assert not trace.exists()


@pytest.mark.parametrize("function", [eval, getattr, np.load, np.frombuffer])
def test_pickles_may_name_nothing_but_arrays(tmp_path, function):
    folder = write_folder(tmp_path, "python")
    (folder / "data_batch_1").write_bytes(pickle.dumps({b"data": Malicious(function, "1")}, protocol=2))
    with pytest.raises(LookalikeError, match="refused to load"):
        load(f"cifar10:{tmp_path}")
