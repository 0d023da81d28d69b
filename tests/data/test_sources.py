"""Pins that every source gives the same images the same pixels, and how DATA is found, several places at once too."""

import gzip
import io
import os
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from horrors import ROOT_READS_ALL, add_bytes, encoded, make_horrors, picture
from lookalike.core.errors import LookalikeError
from lookalike.data import sources
from lookalike.data.base import Images
from lookalike.data.decode import decode
from lookalike.data.image_index import ImageIndex
from lookalike.data.quality import examine
from lookalike.data.sequence import from_sequence

NAMES = ("cat/1.png", "cat/2.jpg", "dog/1.png", "dog/wide.webp", "dog/été 3.gif")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two classes, five images of differing kinds and sizes."""
    kinds = {"jpg": ("JPEG", {"quality": 92}), "webp": ("WEBP", {}), "gif": ("GIF", {}), "png": ("PNG", {})}
    for seed, name in enumerate(NAMES):
        kind, options = kinds[name.rsplit(".", 1)[1]]
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(seed, (300 + 10 * seed, 200)), kind, **options))
    return tmp_path / "photos"


def listed(data) -> ImageIndex:
    found = sources.find(data)
    assert isinstance(found, ImageIndex)
    return found


def pixels_of(image_index: ImageIndex) -> list[np.ndarray]:
    found = [examine(entry, 96, 3) for entry in image_index.entries]
    assert all(examined.reason is None for _, examined in found), found
    return [pixels for pixels, _ in found]


def as_txt(photos: Path) -> str:
    (photos / "all.txt").write_text("# a comment\n\n" + "\n".join(NAMES))
    return str(photos / "all.txt")


def as_csv(photos: Path) -> str:
    rows = [f'"{photos / name}",{name.split("/")[0]}' for name in NAMES]
    (photos / "all.csv").write_text("Path,label\n" + "\n".join(rows))
    return str(photos / "all.csv")


def as_tsv(photos: Path) -> str:
    (photos / "all.tsv").write_text("n\timage\n" + "".join(f"{i}\t{name}\r\n" for i, name in enumerate(NAMES)))
    return str(photos / "all.tsv")


def as_metadata(photos: Path) -> str:
    (photos / "metadata.csv").write_text("file_name,text\n" + "".join(f"{name},words\n" for name in NAMES))
    return str(photos)


def as_zip(photos: Path, method: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile(photos.parent / "a.zip", "w", method) as archive:
        for name in NAMES:
            archive.write(photos / name, f"photos/{name}")
    return str(photos.parent / "a.zip")


def as_tar(photos: Path, mode: str = "w", suffix: str = ".tar") -> str:
    with tarfile.open(photos.parent / f"a{suffix}", mode) as archive:
        archive.add(photos, "photos")
    return str(photos.parent / f"a{suffix}")


MAKERS = {
    "folder": str,
    "pattern": lambda photos: f"{photos}/**/*.*",
    "files": lambda photos: tuple(str(photos / name) for name in NAMES),
    "txt": as_txt,
    "csv": as_csv,
    "tsv": as_tsv,
    "metadata": as_metadata,
    "zip": as_zip,
    "zip-stored": lambda photos: as_zip(photos, zipfile.ZIP_STORED),
    "zip-bzip2": lambda photos: as_zip(photos, zipfile.ZIP_BZIP2),
    "tar": as_tar,
    "tar.gz": lambda photos: as_tar(photos, "w:gz", ".tar.gz"),
    "tgz": lambda photos: as_tar(photos, "w:gz", ".tgz"),
    "tar.xz": lambda photos: as_tar(photos, "w:xz", ".tar.xz"),
}


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_every_source_gives_equal_names_pixels_and_labels(photos, kind):
    expected = [decode(Image.open(photos / name), 96, 3) for name in NAMES]
    image_index = listed(MAKERS[kind](photos))
    assert [entry.name for entry in image_index.entries] == list(NAMES)
    assert image_index.labels == ("cat", "cat", "dog", "dog", "dog")
    assert image_index.refused == ()
    for one, other in zip(pixels_of(image_index), expected, strict=True):
        assert np.array_equal(one, other)
    assert len({entry.stamp for entry in image_index.entries}) == len(NAMES)


@pytest.mark.parametrize("kind", ["paths", "opened", "tuples", "dataset"])
def test_a_sequence_gives_equal_pixels(photos, kind):
    expected = [decode(Image.open(photos / name), 96, 3) for name in NAMES]

    class Dataset(torch.utils.data.Dataset):
        targets = torch.tensor([0, 0, 1, 1, 1])
        classes = ["cat", "dog"]

        def __len__(self):
            return len(NAMES)

        def __getitem__(self, index):
            with Image.open(photos / NAMES[index]) as image:
                image.load()
                return image, int(self.targets[index])

    items = {
        "paths": [photos / name for name in NAMES],
        "opened": [Image.open(io.BytesIO((photos / name).read_bytes())) for name in NAMES],
        "tuples": [(str(photos / name), name.split("/")[0]) for name in NAMES],
        "dataset": Dataset(),
    }[kind]
    image_index = from_sequence(items)
    found = pixels_of(image_index)
    if kind in ("paths", "tuples"):
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    else:  # decoded in full before it is scaled
        for i, name in enumerate(NAMES):
            if name.endswith("png"):
                assert np.array_equal(found[i], expected[i])
            assert np.abs(found[i].astype(int) - expected[i]).mean() < 3
    assert image_index.labels == (None if kind in ("paths", "opened") else ("cat", "cat", "dog", "dog", "dog"))


def test_arrays_and_tensors_of_a_sequence(photos):
    with Image.open(photos / NAMES[0]) as image:
        x = np.array(image)
    grey = x[:, :, 0].copy()
    items = [x, x.transpose(2, 0, 1), torch.from_numpy(x.transpose(2, 0, 1).copy()), grey, torch.from_numpy(grey)]
    found = [examine(entry, 96)[0] for entry in from_sequence(items).entries]
    expected = decode(Image.open(photos / NAMES[0]), 96)
    assert all(np.array_equal(pixels, expected) for pixels in found[:3])
    assert found[3].shape[2] == 1 and np.array_equal(found[3], found[4])
    assert np.array_equal(found[3][:, :, 0], expected[:, :, 0])


def test_a_sequence_of_something_else():
    with pytest.raises(LookalikeError, match="items are int; give images of Pillow"):
        from_sequence([1, 2])
    with pytest.raises(LookalikeError, match="has a length, generator has none; make a list"):
        from_sequence(picture(i) for i in range(3))
    with pytest.raises(LookalikeError, match="holds no images"):
        from_sequence([])


def test_two_sequences_of_one_length_are_told_apart():
    one, other = (from_sequence([np.full((4, 4), v, np.uint8)]) for v in (1, 2))
    assert one.entries[0].stamp != other.entries[0].stamp


def test_an_item_that_raises_is_unreadable_and_the_others_are_not():
    class Broken:
        def __len__(self):
            return 3

        def __getitem__(self, index):
            if index == 1:
                raise RuntimeError("disk gone")
            return np.zeros((4, 4), np.uint8)

    found = [examine(entry, 8)[1].reason for entry in from_sequence(Broken()).entries]
    assert found[0] is None and found[2] is None and "disk gone" in found[1]


# -- several places


def test_several_places_keep_names_unique_and_labels_their_own(photos, tmp_path):
    (tmp_path / "more" / "cat").mkdir(parents=True)
    (tmp_path / "more" / "cat" / "1.png").write_bytes(encoded(picture(30)))
    (tmp_path / "single.png").write_bytes(encoded(picture(31)))
    image_index = listed((str(photos), str(tmp_path / "more"), str(tmp_path / "single.png"), as_zip(photos)))
    names = [entry.name for entry in image_index.entries]
    assert names == sorted(names) and len(set(names)) == 2 * len(NAMES) + 2
    assert "photos/cat/1.png" in names and "more/cat/1.png" in names and "a.zip/cat/1.png" in names
    labels = dict(zip(names, image_index.labels, strict=True))
    assert labels["photos/cat/1.png"] == labels["a.zip/cat/1.png"] == "cat"
    assert labels["more/cat/1.png"] is None  # one class is none
    assert image_index.name.startswith("photos+more+a.zip")


def test_folders_of_one_name_are_told_apart_by_those_around_them(tmp_path):
    for name in ("a/imgs/1.png", "b/imgs/1.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(encoded(picture()))
    image_index = listed((str(tmp_path / "a/imgs"), str(tmp_path / "b/imgs")))
    assert [entry.name for entry in image_index.entries] == ["a/imgs/1.png", "b/imgs/1.png"]


def test_a_place_in_another_is_read_once(photos):
    image_index = listed((str(photos / "cat"), str(photos), str(photos) + "/"))
    assert [entry.name for entry in image_index.entries] == list(NAMES)
    assert len(image_index.notes) == 2 and all("is read once" in note for note in image_index.notes)


def test_two_places_called_train_and_test_are_a_split(tmp_path):
    for name in ("train/1.png", "val/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encoded(picture()))
    image_index = listed((str(tmp_path / "train"), str(tmp_path / "val")))
    assert image_index.split == ("train", "test")


def test_arrays_go_with_no_other_place(photos):
    with pytest.raises(LookalikeError, match="digits is a collection of its own"):
        sources.find((str(photos), "digits"))


def test_a_pattern_without_matches(tmp_path):
    with pytest.raises(LookalikeError, match="it matches nothing"):
        sources.find(f"{tmp_path}/*.jpg")


def test_brace_patterns_of_shards(photos, tmp_path):
    for shard, folder in enumerate(("cat", "dog")):
        with tarfile.open(tmp_path / f"shard-{shard:03d}.tar", "w") as archive:
            for image in sorted((photos / folder).iterdir()):
                archive.add(image, image.name)
    pattern = str(tmp_path / "shard-{000..001}.tar")
    want = listed((str(tmp_path / "shard-000.tar"), str(tmp_path / "shard-001.tar")))
    for data in (
        pattern,
        (pattern,),
        str(tmp_path / "{shard-000,shard-001}.tar"),
        str(tmp_path / "shard-{000..001}*.tar"),
    ):
        assert [entry.name for entry in listed(data).entries] == [entry.name for entry in want.entries]
    with pytest.raises(
        LookalikeError, match=r"2 of the 4 places that .* are not there: .*shard-002.tar, .*shard-003.tar"
    ):
        sources.find(str(tmp_path / "shard-{000..003}.tar"))
    assert [entry.name for entry in listed(str(photos / "{cat,dog}")).entries]
    (tmp_path / "odd{0..9}.png").write_bytes((photos / "cat" / "1.png").read_bytes())
    assert len(listed(str(tmp_path / "odd{0..9}.png")).entries) == 1  # a name that is there is one


def test_a_pattern_finds_what_a_folder_does(tmp_path):
    said = make_horrors(tmp_path / "horrors")
    whole, matched = listed(str(tmp_path / "horrors")), listed(f"{tmp_path}/horrors/*.*")
    here = {name for name in said if "/" not in name}
    assert {entry.name for entry in matched.entries} == {e.name for e in whole.entries if "/" not in e.name}
    assert {name for name, _ in matched.refused} == {name for name, _ in whole.refused} & here


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path):
    (tmp_path / "trip [2020]*").mkdir()
    (tmp_path / "trip [2020]*" / "1.png").write_bytes(encoded(picture()))
    assert len(listed(str(tmp_path / "trip [2020]*")).entries) == 1


def test_a_name_nearby_is_offered(photos):
    with pytest.raises(LookalikeError, match="no such folder or file: .*did you mean .*photos"):
        sources.find(str(photos.parent / "potos"))


def test_a_name_that_no_system_allows():
    with pytest.raises(LookalikeError, match="no such folder or file"):
        sources.find("x" * 5000)
    with pytest.raises(LookalikeError, match="no such folder or file"):
        sources.find("a\0b")


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LookalikeError, match="is a pipe or device"):
        sources.find(str(tmp_path / "pipe"))


@pytest.mark.skipif(ROOT_READS_ALL, reason="root may read everything")
def test_places_that_may_not_be_read(photos):
    (photos / "cat" / "1.png").chmod(0)
    with pytest.raises(LookalikeError, match=r"1\.png may not be read: no permission"):
        sources.find(str(photos / "cat" / "1.png"))
    (photos / "dog").chmod(0)
    try:
        with pytest.raises(LookalikeError, match="the folder .*dog may not be read: no permission"):
            sources.find(str(photos / "dog"))
    finally:
        (photos / "dog").chmod(0o700)


def test_what_is_in_memory_can_be_listed(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (4, 9, 7, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=x, labels=np.array([1, -1, 0, 1]))
    images = sources.find(str(tmp_path / "a.npz"))
    assert isinstance(images, Images)
    image_index = sources.as_image_index(images)
    assert image_index.labels == ("1", None, "0", "1")
    assert all(np.array_equal(a, b) for a, b in zip(pixels_of(image_index), x, strict=True))


# -- lists


def test_labels_and_splits_of_a_list(photos):
    (photos / "l.csv").write_text(
        "class,split,filename\na,train,cat/1.png\n,val,dog/1.png\nb,TEST,cat/2.jpg\na,train,cat/1.png\n"
    )
    image_index = listed(str(photos / "l.csv"))
    found = {e.name: (y, s) for e, y, s in zip(image_index.entries, image_index.labels, image_index.split, strict=True)}
    assert found == {"cat/1.png": ("a", "train"), "dog/1.png": (None, "test"), "cat/2.jpg": ("b", "test")}
    assert any("1 line of " in note and "repeats another and was" in note for note in image_index.notes)


def test_missing_files_of_a_list_are_refused(photos):
    (photos / "l.txt").write_text("cat/1.png\nlost.png\nhttps://example.com/a.jpg\nnotes.docx\n../photos/dog/1.png\n")
    image_index = listed(str(photos / "l.txt"))
    assert [entry.name for entry in image_index.entries] == ["cat/1.png", "dog/1.png"]
    refused = dict(image_index.refused)
    assert refused["lost.png"] == "No such file or directory" and "no image by its name" in refused["notes.docx"]
    assert sum("fetch it first" in reason for reason in refused.values()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\ncat/1.png,a\ncat/1.png,b\n", "twice: with label 'a' .line 2. and label 'b' .line 3."),
        ("name,label\ncat/1.png,a\n", "has the columns 'name', 'label': the one of paths must be called file_name"),
        ("path,split\ncat/1.png,fold3\n", "line 2: split may say train, test or val, got 'fold3'"),
        ("path,split\ncat/1.png,train\ndog/1.png,\n", "no split for 'dog/1.png'"),
        ("path\nnowhere.png\n", "names no image that is there: 'nowhere.png': No such file"),
        ("", "has the columns none"),
        ('path\n"cat/1.png\n', "line 2: unexpected end of data"),
        ("path\na\0b\n", "is no text"),
    ],
)
def test_lists_that_are_refused(photos, text, message):
    (photos / "l.csv").write_text(text)
    with pytest.raises(LookalikeError, match=message):
        sources.find(str(photos / "l.csv"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "Image Path;Category\r\ncat\\1.png;x\r\n.\\dog\\1.png;y\r\n"),
        ("l.csv", "C:\\me\\photos\\cat\\1.png,x\nC:\\me\\photos\\dog\\1.png,y\n"),
        ("l.csv", "sep=;\nfile name;label\n/home/me/photos/cat/1.png;x\n/home/me/photos/dog/1.png;y\n"),
        ("l.csv", "id,breed\ncat/1,x\ndog/1,y\n"),
        ("l.csv", "\n# a list\nimg,class\n cat/1.png,x\n'dog/1.png',y\n"),
        ("l.tsv", "path\tlabel\n./cat/1.png\tx\n./dog/1.png\ty\n"),
        ("l.txt", "cat/1.png x\ndog/1.png y\n"),
        ("l.txt", "cat/1.png\tx\r\ndog/1.png\ty\r\n"),
        ("l.txt", "path,label\ncat/1.png,x\ndog/1.png,y\n"),
        ("l.txt", '"cat/1.png","x"\r"dog/1.png","y"\r'),
    ],
)
def test_lists_as_people_write_them(photos, name, text):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (photos / name).write_bytes(text.encode(encoding))
        image_index = listed(str(photos / name))
        assert [entry.name for entry in image_index.entries] == ["cat/1.png", "dog/1.png"] and not image_index.refused
        assert image_index.labels == ("x", "y")


def test_what_was_done_to_the_paths_of_a_list_is_said(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    (photos / "lists").mkdir()
    (photos / "lists" / "l.txt").write_text(f"{photos.name}/cat/1.png\n{photos.name}/dog/1.png\n")
    image_index = listed(str(photos / "lists" / "l.txt"))
    assert len(image_index.entries) == 2
    assert any(
        "2 paths of " in note and "are relative to the working folder, such as" in note for note in image_index.notes
    )


def test_names_of_a_list_in_cp1252(photos):
    (photos / "cat" / "1.png").rename(photos / "cat" / "\u00e9.png")
    (photos / "l.csv").write_bytes("path,label\ncat/\u00e9.png,K\u00e4fer\ndog/1.png,y\n".encode("cp1252"))
    image_index = listed(str(photos / "l.csv"))
    assert [entry.name for entry in image_index.entries] == ["cat/\u00e9.png", "dog/1.png"]
    assert image_index.labels == ("K\u00e4fer", "y")
    assert any("is not UTF-8: read as cp1252" in note for note in image_index.notes)


def test_metadata_in_the_folders_of_splits(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        for i in range(2):
            (tmp_path / part / f"{i}.png").write_bytes(encoded(picture(i)))
        (tmp_path / part / "metadata.csv").write_text("file_name,label\n0.png,x\n1.png,y\n")
    image_index = listed(str(tmp_path))
    assert [entry.name for entry in image_index.entries] == ["test/0.png", "test/1.png", "train/0.png", "train/1.png"]
    assert image_index.split == ("test", "test", "train", "train") and image_index.labels == ("x", "y", "x", "y")


@pytest.mark.parametrize("text", ["file_name,label\nelsewhere.png,x\n", "a,b\n1,2\n", '"broken', ""])
def test_metadata_of_something_else_is_no_list(photos, text):
    (photos / "metadata.csv").write_text(text)
    assert [entry.name for entry in listed(str(photos)).entries] == list(NAMES)


# -- archives


@pytest.mark.parametrize("sidecar", ["cls", "json", "txt"])
def test_labels_of_shards(tmp_path, sidecar):
    labels = ["0", "1", "0", "1"]
    for shard in range(2):
        with tarfile.open(tmp_path / f"shard-{shard}.tar", "w") as archive:
            for i, label in enumerate(labels):
                text = f'{{"label": "{label}", "width": 3}}' if sidecar == "json" else label
                add_bytes(archive, f"{i:03d}.{sidecar}", text.encode())
                add_bytes(archive, f"{i:03d}.left.png", encoded(picture(i)))
    image_index = listed(f"{tmp_path}/shard-*.tar")
    assert [entry.name for entry in image_index.entries][:2] == ["shard-0.tar/000.left.png", "shard-0.tar/001.left.png"]
    assert image_index.labels == tuple(labels * 2)
    assert len(pixels_of(image_index)) == 8


def test_captions_are_no_labels(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for i in range(4):
            add_bytes(archive, f"{i}.txt", f"a picture of thing {i}".encode())
            add_bytes(archive, f"{i}.png", encoded(picture(i)))
    assert listed(str(tmp_path / "a.tar")).labels is None


def test_a_large_compressed_tar_is_refused_with_the_remedy(photos, monkeypatch):
    monkeypatch.setattr("lookalike.data.archive._IN_MEMORY", 1000)
    with pytest.raises(LookalikeError, match=r"compressed as a whole .* Unpack it, or make a plain \.tar"):
        sources.find(as_tar(photos, "w:gz", ".tar.gz"))


def test_a_compressed_tar_that_grows_without_bounds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("lookalike.data.tar.BOMB_BYTES", 1 << 20)
    monkeypatch.setattr("lookalike.data.tar.BOMB_RATIO", 10)
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        add_bytes(archive, "bomb.bin", bytes(20 << 20))
        add_bytes(archive, "1.png", encoded(picture()))
    with pytest.raises(LookalikeError, match="decompression bomb"):
        sources.find(str(tmp_path / "bomb.tar.gz"))


def test_many_members_that_grow_without_bounds_are_refused(photos, monkeypatch):
    place = as_zip(photos)
    monkeypatch.setattr("lookalike.data.archive.BOMB_BYTES", 1)
    monkeypatch.setattr("lookalike.data.archive.BOMB_RATIO", 0)
    with pytest.raises(LookalikeError, match="a decompression bomb; it is not read"):
        sources.find(place)


def test_an_archive_cut_short_gives_what_is_whole(photos):
    path = Path(as_tar(photos))
    whole = listed(str(path))
    last = max(entry.stamp[0] for entry in whole.entries)
    path.write_bytes(path.read_bytes()[: last + 10])
    cut = listed(str(path))
    assert len(cut.entries) == len(NAMES) - 1
    assert "cut short" in dict(cut.refused)[f"photos/{next(e.name for e in whole.entries if e.stamp[0] == last)}"]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_text_named_as_an_archive(tmp_path, name):
    (tmp_path / name).write_text("no archive " * 100)
    with pytest.raises(LookalikeError, match="is no archive that can be read, or damaged"):
        sources.find(str(tmp_path / name))


def test_an_archive_without_images_says_what_it_holds(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        add_bytes(archive, "a.mp4", b"x")
    with pytest.raises(LookalikeError, match=r"no images in .*a\.tar: found 1 x \.mp4"):
        sources.find(str(tmp_path / "a.tar"))


def test_a_folder_of_archives_says_how_they_are_read(tmp_path):
    (tmp_path / "a.tar").write_bytes(gzip.compress(b""))
    with pytest.raises(
        LookalikeError, match=r"1 archive or array is passed over .*'a\.tar'.*read when named, as in 'FOLDER/\*\.zip'"
    ):
        sources.find(str(tmp_path))


# -- Hugging Face


class Feature:
    def __init__(self, names=None, decode=True):
        self.names = names


class Table:
    """What is used of a datasets.Dataset."""

    def __init__(self, features, rows):
        self.features, self.rows = features, rows

    def select_columns(self, columns):
        return Table({c: self.features[c] for c in columns}, self.rows)

    def cast_column(self, column, feature):
        return Table({**self.features, column: feature}, self.rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        if isinstance(key, str):
            return [row[key] for row in self.rows]
        return {column: self.rows[key][column] for column in self.features}


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the library `datasets` with one data set, `tiny`."""
    image, label = type("Image", (Feature,), {}), type("ClassLabel", (Feature,), {})
    rows = [{"picture": {"bytes": encoded(picture(i)), "path": None}, "kind": i % 3 - 1} for i in range(6)]
    features = {"kind": label(["cat", "dog"]), "picture": image()}
    parts = {"train": Table(features, rows[:4]), "test": Table(features, rows[4:])}

    def load_dataset(name, split=None):
        if name != "tiny":
            raise FileNotFoundError(f"Dataset '{name}' doesn't exist on the Hub\nmore")
        return parts[split] if split else dict(parts)

    library = types.ModuleType("datasets")
    library.load_dataset, library.Image = load_dataset, image
    monkeypatch.setitem(sys.modules, "datasets", library)
    return library


def test_hugging_face(hub):
    image_index = listed("hf:tiny")
    assert image_index.name == "tiny" and len(image_index.entries) == 6
    assert [entry.name for entry in image_index.entries[:3]] == ["test/0000000", "test/0000001", "train/0000000"]
    assert image_index.split == ("test",) * 2 + ("train",) * 4
    assert image_index.labels == ("cat", "dog", None, "cat", "dog", None)
    expected = [np.array(picture(i)) for i in (4, 5, 0, 1, 2, 3)]
    assert all(np.array_equal(a, b) for a, b in zip(pixels_of(image_index), expected, strict=True))


def test_one_split_of_hugging_face(hub):
    image_index = listed("hf:tiny:test")
    assert len(image_index.entries) == 2 and image_index.split is None


def test_hugging_face_says_what_is_wrong(hub, monkeypatch):
    with pytest.raises(LookalikeError, match=r"cannot load hf:huge: Dataset 'huge' doesn't exist on the Hub$"):
        sources.find("hf:huge")
    with pytest.raises(LookalikeError, match="name a data set after hf:"):
        sources.find("hf:")
    monkeypatch.setattr(hub, "load_dataset", lambda name, split=None: Table({"text": Feature()}, []))
    with pytest.raises(LookalikeError, match="has no column of images, only text"):
        sources.find("hf:tiny")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(LookalikeError, match=r"pip install 'lookalike\[hf\]'"):
        sources.find("hf:tiny")
