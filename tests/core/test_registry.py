"""A module of a package is found by its name and by what it defines, with no list to edit."""

import sys

import pytest

import lookalike
from lookalike.core import registry
from lookalike.core.errors import LookalikeError


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package `lookalike.parlour` with two members, a helper and a private module."""
    folder = tmp_path / "parlour"
    folder.mkdir()
    (folder / "__init__.py").write_text("OFFERS = 'NAME'")
    (folder / "base.py").write_text("if True:\n    NAME = 'inside'\nNAMES = OTHER_NAME = raise_when_imported")
    (folder / "_private.py").write_text("NAME = raise_when_imported")
    (folder / "deep_cluster.py").write_text("NAME = 'here'")
    (folder / "broken.py").write_text("import a_module_that_is_not_there\n\nclass NAME: ...")
    monkeypatch.setattr(lookalike, "__path__", [*lookalike.__path__, str(tmp_path)])
    yield "parlour"
    for name in [name for name in sys.modules if name.startswith("lookalike.parlour")]:
        del sys.modules[name]
    vars(lookalike).pop("parlour", None)


def test_names_are_the_modules_with_dashes_and_without_helpers(room):
    assert registry.names(room) == ["broken", "deep-cluster"]


def test_listing_names_imports_none_of_them(room):
    registry.names(room)
    assert not any(name.startswith("lookalike.parlour.") for name in sys.modules)


def test_a_new_file_is_found_at_once(room, tmp_path):
    (tmp_path / "parlour" / "novel.py").write_text("NAME = 'new'")
    assert registry.find(room, "novel", "guest").NAME == "new"


def test_without_a_word_of_the_package_every_module_counts(room, tmp_path):
    (tmp_path / "parlour" / "__init__.py").write_text("")
    assert registry.names(room) == ["base", "broken", "deep-cluster"]


def test_find_imports_by_name(room):
    assert registry.find(room, "deep-cluster", "guest").NAME == "here"


def test_an_unknown_name_offers_the_nearest(room):
    with pytest.raises(LookalikeError, match=r"unknown guest 'deepcluster': did you mean 'deep-cluster'\?"):
        registry.find(room, "deepcluster", "guest")


def test_a_name_near_to_none_lists_all(room):
    with pytest.raises(LookalikeError, match=r"unknown guest 'xyz': valid: broken, deep-cluster"):
        registry.find(room, "xyz", "guest")


@pytest.mark.parametrize("name", ["base", "_private", "__init__", "", "../core/rng"])
def test_helpers_and_paths_are_no_guests(room, name):
    with pytest.raises(LookalikeError, match="unknown guest"):
        registry.find(room, name, "guest")


def test_a_module_that_cannot_be_imported_says_why(room):
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        registry.find(room, "broken", "guest")


def test_the_packages_hold_what_they_offer_and_no_helpers():
    assert registry.names("encoders") == ["alexnet", "convnet", "resnet", "timm-bridge", "torchvision-bridge"]
    assert registry.names("methods") == [
        "byol", "deepcluster", "deepcluster-v2", "simclr", "simsiam", "supervised", "swav", "vicreg",
    ]  # fmt: skip
    assert registry.names("export") == ["atlas", "huggingface", "onnx", "tensorboard", "timm", "torchvision"]
