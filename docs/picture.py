"""Take the picture at the head of the README from the page of a run: `python docs/picture.py RUN`.

Needs playwright and a Chromium (CHROMIUM, else /usr/bin/chromium), as the tests of the page do.
"""

import io
import os
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

OUT = Path(__file__).parent / "images" / "page.webp"
WIDTH, HEIGHT = 900, 760
PARTS = ("#verdict", "#map")
"""Sections of the page, side by side in the picture."""


def main(run: Path) -> None:
    """Write OUT from RUN/report.html."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((run / "report.html").resolve().as_uri())
        page.wait_for_function("window.lookalike && window.lookalike.ready", timeout=300_000)
        taken = []
        for part in PARTS:
            page.evaluate("part => document.querySelector(part).scrollIntoView({behavior: 'instant'})", part)
            page.wait_for_timeout(1500)  # what is drawn when it is seen
            taken.append(Image.open(io.BytesIO(page.screenshot(timeout=300_000))).convert("RGB"))
        browser.close()
    sheet = Image.new("RGB", (WIDTH * len(taken), HEIGHT))
    for i, image in enumerate(taken):
        sheet.paste(image, (i * WIDTH, 0))
    OUT.parent.mkdir(exist_ok=True)
    sheet.save(OUT, quality=85, method=6)
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
