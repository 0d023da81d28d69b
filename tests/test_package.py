"""`pip install .` leaves a clean checkout, and installs what is in it: all of that, and nothing that was in it once."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A commit of the working tree, with a module in `build` that was installed from an earlier one."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for words in ("init -q", "add .", "-c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -qm all"):
        subprocess.run(["git", "-C", folder, *words.split()], check=True)
    stale = folder / "build" / "lib" / "lookalike" / "stale.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    return folder


def test_a_wheel_has_what_is_there_and_nothing_that_is_gone(checkout: Path, tmp_path: Path):
    words = ["wheel", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--no-cache-dir", "--wheel-dir"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, tmp_path, checkout], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(checkout / "build")
    changed = subprocess.run(
        ["git", "-C", checkout, "status", "--porcelain", "--ignored"], capture_output=True, text=True
    )
    assert (changed.returncode, changed.stdout) == (0, "")
    (wheel,) = tmp_path.glob("lookalike-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
        entries = next(archive.read(name).decode() for name in names if name.endswith(".dist-info/entry_points.txt"))
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == {
        file.relative_to(checkout / "src").as_posix() for file in (checkout / "src").rglob("*") if file.is_file()
    }
    assert {"lookalike/py.typed", "lookalike/recipes/photos.toml", "lookalike/report/template/page.html"} <= inside
    assert any(name.endswith("LICENSE") for name in names - inside)
    assert (
        "License-Expression: MIT" in metadata
        and "Provides-Extra: hf" in metadata
        and "Requires-Dist: torch" in metadata
    )
    assert "lookalike=lookalike.cli.main:entry" in entries.replace(" ", "")
