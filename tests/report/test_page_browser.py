"""The page in a real browser, opened from its file with the network off: what a person does, and what it shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import Open, Opened
from fake_report import SHAPES, fake_report
from lookalike.report.page import write_page
from saved_lists import clusters, expected, saved

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("scheme", "width"), [("light", 400), ("dark", 1600)])
def test_opens_offline_and_fits(opened: Open, scheme: str, width: int):
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


def test_an_image_clicked_anywhere_is_the_query(opened: Open):
    one = opened(fake_report(80))
    for section in ("closest", "map", "clusters", "clean"):
        one.ask("lookalike.query(79)")
        thumb = one.page.locator(f"#{section} .thumb").nth(5)
        image = int(thumb.get_attribute("data-image"))
        thumb.click()
        assert one.state()["query"] == image != 79, section
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
