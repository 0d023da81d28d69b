"""The page in a real browser: hostile names, missing parts, few images, several runs, and on paper."""

import pytest

from browser import Open
from fake_report import HOSTILE, fake_report
from saved_lists import expected, saved

PARTS = ("verdict", "map", "neighbours", "clusters", "duplicates", "outliers", "curves", "evaluation", "views", "card")
pytestmark = pytest.mark.slow


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
    one = opened(fake_report(10, networks=1, missing=(part,)))
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
