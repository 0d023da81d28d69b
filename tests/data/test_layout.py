"""Pins which folders are splits, which are classes, and what is said of those that could be either."""

import unicodedata

import pytest

from lookalike.data.layout import case_notes, folders_of, split_of, why_ignored


def names(*folders: str) -> list[str]:
    """Two images in each folder."""
    return sorted(f"{folder}/{i}.jpg" if folder else f"{i}.jpg" for folder in folders for i in range(2))


def split_by_folder(listed: list[str]) -> dict[str, str]:
    found = folders_of(listed).split
    assert found is not None
    return {name.rsplit("/", 1)[0]: part for name, part in zip(listed, found, strict=True)}


@pytest.mark.parametrize(
    ("word", "part"),
    [
        *(
            (word, "train")
            for word in ("train", "Train", "TRAINING", "training_set", "train2017", "seg_train", "trainset")
        ),
        *((word, "test") for word in ("val", "Valid", "validation", "dev", "eval", "Testing", "test_images", "test1")),
        *((word, None) for word in ("cat", "trains", "latest", "contest", "detrain", "test drive", "", "2017")),
    ],
)
def test_what_a_split_may_be_called(word, part):
    assert split_of(word) == part


@pytest.mark.parametrize(
    ("train", "held_out"),
    [("train", ("valid", "test")), ("Train", ("Test",)), ("training", ("validation",)), ("TRAIN", ("DEV",))],
)
def test_splits_at_the_top_and_classes_below(train, held_out):
    listed = names(*(f"{part}/{c}" for part in (train, *held_out) for c in ("cat", "dog")))
    found = split_by_folder(listed)
    assert {folder: part for folder, part in found.items() if folder.startswith(train)} == {
        f"{train}/cat": "train",
        f"{train}/dog": "train",
    }
    assert {part for folder, part in found.items() if not folder.startswith(train)} == {"test"}
    labels = folders_of(listed).labels
    assert labels is not None and set(labels) == {"cat", "dog"}


def test_of_three_splits_it_is_said_which_are_held_out():
    (note,) = folders_of(names("train/a", "valid/a", "test/a")).notes
    assert "'test' and 'valid' are both held out" in note
    assert not folders_of(names("train/a", "valid/a")).notes


@pytest.mark.parametrize("top", ["", "dataset/", "data/v2/"])
def test_splits_lie_below_folders_that_hold_everything(top):
    listed = names(*(f"{top}{part}/{c}" for part in ("train", "test") for c in ("cat", "dog")))
    assert folders_of(listed).split is not None
    assert set(folders_of(listed).labels or ()) == {"cat", "dog"}


@pytest.mark.parametrize("layout", ["{}/images", "images/{}"])
def test_detection_sets_have_splits_and_no_classes(layout):
    found = folders_of(names(*(layout.format(part) for part in ("train", "valid"))))
    assert set(found.split or ()) == {"train", "test"} and found.labels is None


def test_folders_that_an_archive_has_doubled_are_no_classes():
    tops = ("seg_train/seg_train", "seg_test/seg_test")
    listed = names(*(f"{top}/{c}" for top in tops for c in ("sea", "street")), "seg_pred/seg_pred")
    assert split_by_folder(listed)["seg_test/seg_test/sea"] == "test"
    assert set(folders_of(listed).labels or ()) == {"sea", "street", None}


def test_splits_within_the_classes():
    found = folders_of(names("cat/train", "cat/test", "dog/train", "dog/test"))
    assert set(found.split or ()) == {"train", "test"} and set(found.labels or ()) == {"cat", "dog"}


@pytest.mark.parametrize("only", ["train", "test"])
def test_one_part_alone_is_no_split_and_no_part_of_the_classes(only):
    found = folders_of(names(f"{only}/cat", f"{only}/dog"))
    assert found.split is None and set(found.labels or ()) == {"cat", "dog"}


@pytest.mark.parametrize("name", ["test", "train", "val"])
def test_a_class_that_is_called_as_a_split_is(name):
    found = folders_of(names(name, "cat", "dog"))
    assert found.split is None and set(found.labels or ()) == {name, "cat", "dog"}


def test_unlabelled_images_beside_a_split():
    listed = names("train/cat", "train/dog", "test/cat", "test/dog", "unlabeled", "unlabeled/more")
    found = folders_of(listed)
    assert split_by_folder(listed)["unlabeled"] == "train"
    by_name = dict(zip(listed, found.labels or (), strict=True))
    assert by_name["unlabeled/0.jpg"] is None and by_name["train/cat/0.jpg"] == "cat"


def test_single_images_beside_folders_take_no_labels_and_no_split_away():
    found = folders_of(["cover.jpg", *names("cat", "dog")])
    assert found.labels is not None and found.labels.count(None) == 1 and set(found.labels) == {None, "cat", "dog"}
    found = folders_of(["cover.jpg", *names("train/cat", "train/dog", "test/cat", "test/dog")])
    assert (
        found.split is not None and found.split[0] == "train" and found.labels is not None and found.labels[0] is None
    )
    assert "1 image lies beside the folders of the splits" in found.notes[0]


def test_a_folder_of_few_images_beside_the_splits_takes_no_labels_and_no_split_away():
    parts = names(*(f"{part}/{kind}" for part in ("train", "valid", "test") for kind in ("cat", "dog")))
    found = folders_of([*parts, "preview/sheet.png"])
    assert found.split is not None and found.split[-1] == "train" and set(found.split) == {"train", "test"}
    assert found.labels is not None and found.labels[-1] is None and set(found.labels) == {"cat", "dog", None}
    assert any(note.startswith("1 image lies beside the folders of the splits") for note in found.notes)
    found = folders_of(["data/cover.jpg", *(f"data/{name}" for name in parts)])  # the same one folder deeper
    assert found.split is not None and found.labels is not None and set(found.labels) == {"cat", "dog", None}


def test_many_images_beside_what_is_called_as_splits_are_make_it_classes():
    found = folders_of(names("train", "test", "car", "plane"))
    assert found.split is None and set(found.labels or ()) == {"train", "test", "car", "plane"}


@pytest.mark.parametrize("word", ["validate", "holdout", "held-out", "train-00000"])
def test_more_names_of_splits(word):
    assert split_of(word) == ("train" if word.startswith("train") else "test")


def test_a_few_images_in_folders_are_no_classes_of_the_many_beside_them():
    assert folders_of([f"{i}.jpg" for i in range(9)] + names("trip", "garden")).labels is None


def test_classes_nested_two_deep():
    found = folders_of(names("train/Fruit/Apple", "train/Fruit/Pear", "train/Milk", "test/Fruit/Apple"))
    assert set(found.labels or ()) == {"Fruit/Apple", "Fruit/Pear", "Milk"}


def test_one_class_in_two_spellings_of_an_accent():
    composed, apart = (unicodedata.normalize(form, "été") for form in ("NFC", "NFD"))
    assert composed != apart
    found = folders_of(names(f"train/{composed}", "train/x", f"test/{apart}", "test/x"))
    assert set(found.labels or ()) == {composed, "x"}
    assert case_notes([f"{composed}.jpg", f"{apart}.jpg"])


def test_classes_that_differ_in_capitals_are_told():
    assert any("'Cat' and 'cat'" in note for note in folders_of(names("Cat", "cat", "dog")).notes)
    assert not folders_of(names("cat", "dog")).notes


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "trash") for name in (".Trash-1000", ".Trashes", "$RECYCLE.BIN", "__MACOSX", "@eaDir", "lost+found")),
        *((name, "trash") for name in ("System Volume Information", "#recycle", "._a.jpg", "Thumbs.db", ".DS_Store")),
        *((name, "trash") for name in (".ipynb_checkpoints", ".thumbnails", ".trashed-17-IMG.jpg", "Catalog.lrdata")),
        *((name, "hidden") for name in (".git", ".cache", ".private", ".a.jpg")),
        (".IMG_1.HEIC.icloud", "cloud"),
        *((name, None) for name in ("runs", "cache", "trash", "photos", "a.jpg", " .png", "lost and found", "git")),
    ],
)
def test_what_is_passed_over_by_name(name, why):
    assert why_ignored(name) == why
