"""The page in a real browser, opened from its file with the network off: what a person does, and what it shows."""

import base64
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Opened, chromium
from fake_report import HOSTILE, SHAPES, fake_report

from lookalike.report.page import write_page

PARTS = ("verdict", "map", "neighbours", "clusters", "duplicates", "outliers", "curves", "evaluation", "views", "card")
Open = Callable[..., Opened]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Writes and opens the page of an object; what was opened is closed at the end."""
    pages: list[Opened] = []

    def make(data: dict[str, Any], **context: Any) -> Opened:
        file = tmp_path / f"page {len(pages)}.html"
        write_page(data, file)
        pages.append(Opened(browser, file, reduced_motion="reduce", **context))
        return pages[-1]

    yield make
    for one in pages:
        one.close()


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_offline_and_fits(opened: Open, width: int, scheme: str):
    one = opened(fake_report(120), width=width, color_scheme=scheme)
    assert one.ask("document.documentElement.scrollWidth") <= width
    assert one.page.locator("main > section:visible").count() == 8
    assert (
        one.ask("""() => {
        const canvas = document.querySelector("canvas.points"), box = canvas.getContext("2d");
        const pixels = new Uint32Array(box.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
        return pixels.filter((p) => p !== pixels[0]).length / pixels.length;
    }""")
        > 0.003
    )
    one.well()


def test_hover_shows_the_image_above_the_point(opened: Open):
    one = opened(fake_report(60))
    x, y = one.where(17)
    one.page.mouse.move(x, y)
    hit = one.state()["hover"]
    there = one.ask(f"lookalike.where({hit})")
    assert abs(there[0] - x) + abs(there[1] - y) < 20
    tip = one.page.locator("#tip")
    assert f"IMG_{hit:05d}" in tip.inner_text()
    box = tip.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < y or box["y"] > y
    one.page.mouse.move(2, 2)
    assert one.state()["hover"] == -1
    assert tip.is_hidden()
    one.well()


def test_click_asks_for_the_neighbours_of_every_moment(opened: Open):
    data = fake_report(60)
    one = opened(data)
    x, y = one.where(23)
    hit = one.ask("([x, y]) => { const b = document.querySelector('canvas.points').getBoundingClientRect();"
                  " return lookalike.hitTest(x - b.left, y - b.top); }", [x, y])  # fmt: skip
    one.page.mouse.click(x, y)
    assert one.state()["query"] == hit
    rows = one.page.locator("#closest .moment")
    assert rows.count() == len(data["runs"][0]["snapshots"])
    for snapshot in (0, 4, rows.count() - 1):
        shown = [
            int(v) for v in rows.nth(snapshot).locator(".thumb").evaluate_all("all => all.map(t => t.dataset.image)")
        ]
        assert shown == one.ask(f"lookalike.neighbours({hit}, 0, {snapshot})")
        same = [i for i in shown if data["images"]["label"][i] == data["images"]["label"][hit]]
        assert rows.nth(snapshot).locator(".thumb.same").count() == len(same)
        assert rows.nth(snapshot).locator(".score").inner_text() == f"{len(same)} of {len(shown)} alike"
    one.well()


@pytest.mark.parametrize("section", ["closest", "map", "clusters", "clean"])
def test_an_image_clicked_anywhere_is_the_query(opened: Open, section: str):
    one = opened(fake_report(80))
    thumb = one.page.locator(f"#{section} .thumb").nth(5)
    image = int(thumb.get_attribute("data-image"))
    thumb.click()
    assert one.state()["query"] == image
    assert one.page.locator("#closest .asked strong").inner_text() == f"IMG_{image:05d}" + (
        ".png" if one.ask(f"LK.path({image})").endswith("png") else ".jpg"
    )
    one.well()


def test_lasso_to_list(opened: Open):
    data = fake_report(200)
    one = opened(data)
    one.page.locator("canvas.points").scroll_into_view_if_needed()
    one.page.get_by_role("button", name="Lasso").click()
    shapes = data["images"]["label"]
    wanted = [i for i, label in enumerate(shapes) if label == 2]
    places = [one.ask(f"lookalike.where({i})") for i in wanted]
    left, right = min(x for x, _ in places) - 3, max(x for x, _ in places) + 3
    top, bottom = min(y for _, y in places) - 3, max(y for _, y in places) + 3
    one.page.mouse.move(left, top)
    one.page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        one.page.mouse.move(x, y, steps=4)
    one.page.mouse.up()
    inside = [
        i for i in range(200)
        if (p := one.ask(f"lookalike.where({i})")) and left < p[0] < right and top < p[1] < bottom
    ]  # fmt: skip
    chosen = one.state()["selection"]
    assert set(wanted) <= set(chosen)
    assert chosen == inside
    assert one.page.locator("#tray .thumb").count() == len(chosen)
    assert saved(one) == expected(data, chosen)
    one.page.keyboard.press("Escape")
    assert one.state()["selection"] == []
    assert one.page.locator("#tray .thumb").count() == 0
    one.well()


def saved(one: Opened) -> str:
    """What the button of the tray saves."""
    with one.page.expect_download() as waiting:
        one.page.locator("#save").click()
    assert waiting.value.suggested_filename == "chosen.csv"
    return Path(waiting.value.path()).read_bytes().decode(errors="surrogateescape")


def expected(data: dict[str, Any], images: list[int]) -> str:
    """The same list as Python's csv module writes it."""
    file, of = io.StringIO(newline=""), clusters(data)
    writer = csv.writer(file)
    writer.writerow(["path", "label", "split", "cluster"])
    described = data["images"]
    for i in images:
        label = described["labels"][described["label"][i]]
        writer.writerow([described["paths"][i], label, described["split"][i], of[i]])
    return file.getvalue()


def clusters(data: dict[str, Any]) -> list[int]:
    """The cluster of each image."""
    return np.frombuffer(base64.b64decode(data["runs"][0]["clusters"]["of"]["base64"]), np.int32).tolist()


def test_slider_moves_the_map_and_the_rows(opened: Open):
    data = fake_report(60)
    one = opened(data)
    slider = one.page.locator("#map input[type=range]")
    last = len(data["runs"][0]["snapshots"]) - 1
    assert one.state()["stop"] == last
    before = one.where(3)
    slider.focus()
    one.page.keyboard.press("Home")
    assert one.state()["stop"] == 0
    assert one.page.locator("#map .stopname").inner_text() == "pixels"
    one.until("lookalike.state().moment === 0")
    assert one.where(3) != before
    one.page.keyboard.press("ArrowRight")
    assert one.state()["stop"] == 1
    assert one.page.locator("#closest .moment.now .stop").inner_text() == "untrained"
    assert one.page.locator("#closest input[type=range]").input_value() == "1"
    one.page.keyboard.press("End")
    one.until(f"lookalike.state().moment === {last}")
    assert one.where(3) == pytest.approx(before)
    one.well()


def test_play_goes_from_untrained_to_the_end(opened: Open):
    one = opened(fake_report(30, networks=1))
    one.page.locator("#map .play").click()
    assert one.state()["stop"] == 1
    assert one.state()["playing"]
    one.until("lookalike.state().stop === 2")
    one.until("!lookalike.state().playing")
    one.well()


def test_frames_are_interpolated(browser: Any, tmp_path: Path):
    write_page(fake_report(30), tmp_path / "report.html")
    one = Opened(browser, tmp_path / "report.html", reduced_motion="no-preference")
    one.page.locator("canvas.points").scroll_into_view_if_needed()
    moments = one.ask("""() => new Promise((done) => {
        const seen = [];
        LK.onMoment((moment) => { seen.push(moment); if (moment === 7) done(seen); });
        lookalike.stop(7);
    })""")
    assert moments == sorted(moments, reverse=True)
    assert any(7 < moment < 8 for moment in moments)
    one.well()
    one.close()


def test_search_by_name(opened: Open):
    data = fake_report(150)
    one = opened(data)
    one.page.locator("body").press("/")
    one.page.keyboard.type("STARS/")
    wanted = [i for i, path in enumerate(data["images"]["paths"]) if "stars/" in path]
    assert one.state()["selection"] == wanted
    assert saved(one) == expected(data, wanted)
    one.page.locator("#search").press("Enter")
    assert one.state()["query"] == wanted[0]
    one.page.locator("#search").fill("nothing is called that")
    assert one.state()["selection"] == []
    one.well()


def test_colours_and_legend(opened: Open):
    one = opened(fake_report(90))
    options = one.page.locator("#map select").first.locator("option").all_inner_texts()
    assert options == ["cluster", "label", "split", "hue", "format"]
    assert one.page.locator("#map .legend .entryname").all_inner_texts() == list(SHAPES)
    one.page.locator("#map .legend .entry").nth(1).click()
    assert one.page.locator("#map .legend .entry[aria-pressed=true]").count() == 1
    for option in options:
        one.page.locator("#map select").first.select_option(label=option)
    assert one.state()["colour"] == "column format"
    one.page.get_by_role("button", name="Pictures").click()
    one.page.locator("#map select").nth(1).select_option(label="pixels")
    assert one.page.locator("canvas.points").count() == 2
    one.well()


def test_a_cluster_is_chosen_whole(opened: Open):
    data = fake_report(90)
    one = opened(data)
    sheet = one.page.locator("#clusters .sheet").first
    number = int(sheet.locator("h4").inner_text().removeprefix("Cluster "))
    sheet.get_by_role("button", name="on the map").click()
    assert one.state()["selection"] == [i for i, c in enumerate(clusters(data)) if c == number]
    one.well()


def test_keys_move_the_map(opened: Open):
    one = opened(fake_report(50))
    one.page.locator("canvas.points").focus()
    assert len(one.ask("lookalike.visible()")) == 50
    for _ in range(8):
        one.page.keyboard.press("+")
    assert len(one.ask("lookalike.visible()")) < 50
    before = one.where(0)
    one.page.keyboard.press("ArrowLeft")
    assert one.where(0)[0] == pytest.approx(before[0] + 40, abs=1)
    one.page.keyboard.press("0")
    assert len(one.ask("lookalike.visible()")) == 50
    middle = one.page.locator("canvas.points").evaluate(
        "c => { const b = c.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; }"
    )
    one.page.keyboard.press("Enter")
    far = {i: float(np.hypot(*np.subtract(one.ask(f"lookalike.where({i})"), middle))) for i in range(50)}
    assert one.state()["query"] == min(far, key=far.__getitem__)
    one.well()


def test_curves_by_keys(opened: Open):
    data = fake_report(20)
    one = opened(data)
    plot = one.page.locator("#curves .plot").first
    plot.locator("svg").focus()
    for _ in range(3):
        one.page.keyboard.press("ArrowLeft")
    event = data["runs"][0]["curves"]["epoch"][-4]
    assert plot.locator(".value").inner_text().split("\n") == [f"epoch {event['epoch']}", f"{event['loss']:.2f}"]
    one.well()


def test_clusters_have_one_colour_everywhere(opened: Open):
    data = fake_report(90, k=12)  # four of them are empty
    one = opened(data)
    one.page.locator("#map select").first.select_option(label="cluster")
    sizes = {c: group["size"] for c, group in enumerate(data["runs"][0]["clusters"]["groups"]) if group["size"]}
    assert one.page.locator("#map .legend .entryname").all_inner_texts() == [str(c) for c in sizes]
    tints = one.page.locator("#map .legend .legendkey > *").evaluate_all("all => all.map((e) => e.style.fill)")
    for c, tint in zip(sizes, tints, strict=True):
        sheet = (
            one.page.locator("#clusters h4")
            .filter(has_text=f"Cluster {c}")
            .and_(one.page.get_by_text(f"Cluster {c}", exact=True))
        )
        assert sheet.locator(".dotkey").evaluate("e => e.style.background") == tint
    one.well()


def test_hostile_names_show_as_text(opened: Open):
    data = fake_report(30, hostile=True)
    data["images"]["labels"][0] = "<img src=x onerror=alert(2)>"
    data["images"]["columns"]["<b>column</b>"] = ["</script><script>alert(3)</script>", "b"] * 15
    data["runs"][0]["skipped"].append({"path": "<svg onload=alert(4)>", "reason": "<b>reason</b>"})
    data["missing"].append("<script>alert(5)</script>")
    one = opened(data)
    for i in range(4):
        one.ask(f"lookalike.query({i})")
        assert HOSTILE[i] in one.page.locator("#closest .asked").inner_text()
    one.ask("lookalike.select([0, 1, 2, 3, 4])")
    one.ask("lookalike.colour('column <b>column</b>')")
    assert saved(one) == expected(data, [0, 1, 2, 3, 4])  # the last name is no UTF-8 and comes out as it went in
    assert "<svg onload=alert(4)>" in one.page.locator("#clean").inner_text()
    assert one.page.locator("img:not(.views)").count() == 0
    assert one.page.locator("h1").inner_text() == data["title"]
    one.well()


def test_scripts_of_others_are_not_run(opened: Open):
    one = opened(fake_report(10))
    one.ask("""() => {
        const button = document.createElement("button");
        button.setAttribute("onclick", "window.ran = true");
        document.body.append(button);
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        button.click();
    }""")
    assert one.ask("window.ran") is None
    assert any("Content Security Policy" in text for text in one.complaints)


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_says_why(opened: Open, part: str):
    one = opened(fake_report(30, missing=(part,)))
    sentence = f"There is no part {part} here, as this object was made without it."
    assert one.page.locator(".missing").filter(has_text=sentence).count() >= 1
    one.well()


def test_nothing_but_images(opened: Open):
    data = fake_report(3, missing=PARTS, labels=False)
    data["images"] |= {"split": None, "columns": {}, "sheets": []}
    data["runs"][0]["snapshots"] = []
    one = opened(data)
    assert one.page.locator(".missing").count() >= len(PARTS) - 1
    one.well()


@pytest.mark.parametrize("n", [1, 3])
def test_few_images_and_one_cluster(opened: Open, n: int):
    one = opened(fake_report(n, k=1, networks=1))
    assert one.page.locator("#clusters .sheet").count() == 1
    one.well()


def test_no_labels(opened: Open):
    one = opened(fake_report(40, labels=False))
    assert one.page.locator(".thumb.same, .thumb.other").count() == 0
    assert one.page.locator("#map select").first.input_value() == "cluster"
    one.well()


def test_images_of_several_sheets(opened: Open):
    one = opened(fake_report(4200, neighbours=False, side=8))
    one.ask("lookalike.select([1, 4150])")
    pictures = one.page.locator("#tray .picture").evaluate_all(
        "all => all.map((e) => [e.className, getComputedStyle(e).backgroundPosition, getComputedStyle(e).width])"
    )
    assert [p[0].split()[1] for p in pictures] == ["sheet0", "sheet1"]
    column, row = (4150 - 4096) % 64, (4150 - 4096) // 64
    assert pictures[1][1:] == [f"{-40 * column}px {-40 * row}px", "40px"]
    one.well()


def test_runs_are_linked(opened: Open):
    data = fake_report(80, runs=2)
    data["runs"][1]["snapshots"] = data["runs"][1]["snapshots"][:5]  # it was looked at less often
    for part in ("map", "neighbours"):
        data["runs"][1][part]["frames"] = data["runs"][1][part]["frames"][:5]
    one = opened(data)
    assert one.page.locator("canvas.points").count() == 2
    assert one.page.locator("#compare").is_visible()
    x, y = one.where(11, 1)
    one.page.mouse.click(x, y)
    query = one.state()["query"]
    assert one.page.locator("#closest .closestrun").count() == 2
    near = [set(one.ask(f"lookalike.neighbours({query}, {run}, {snapshot})")) for run, snapshot in ((0, 8), (1, 4))]
    assert near[0] != near[1]
    assert one.page.locator("#map .momentname").all_inner_texts() == ["epoch 70", "epoch 30"]
    one.ask("lookalike.stop(1)")
    assert one.page.locator("#map .momentname").all_inner_texts() == ["untrained", "untrained"]
    assert "the same in both" in one.page.locator("#compare").inner_text()
    one.page.locator("#map select").first.select_option(label="overlap of neighbours: simclr-128 and simclr-2048")
    one.well()


def test_overlap_of_a_run_with_itself_is_whole(opened: Open):
    data = fake_report(60, runs=2)
    data["runs"][1]["neighbours"] = data["runs"][0]["neighbours"]
    one = opened(data)
    assert "100.0 % are the same in both" in one.page.locator("#compare").inner_text()
    one.well()


def test_sheets_beside_the_page_are_shown(opened: Open, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lookalike.report.page.SINGLE_FILE", 10)
    one = opened(fake_report(11))
    one.page.get_by_role("button", name="Pictures").click()
    one.page.wait_for_timeout(200)
    assert all(url.startswith("file:") for url in one.beyond())
    assert len(one.beyond()) == 1
    assert one.complaints == []


def test_prints(opened: Open):
    one = opened(fake_report(40), color_scheme="dark")
    assert one.page.pdf()[:4] == b"%PDF"
    one.well()
