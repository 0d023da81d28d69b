"""The documentation builds without a warning, and the site asks nothing of a network."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lookalike.cli.main import command_names
from lookalike.core.docs import field_docs
from lookalike.core.options import TrainOptions, flag

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it, elsewhere."""
    missing = [name for name in ("sphinx", "myst_parser", "furo") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the documentation is built by {', '.join(missing)}: pip install 'lookalike[docs]'")
    recipe = re.search(r"-m (sphinx .*) -d \S+ docs site", (ROOT / "Makefile").read_text())
    assert recipe is not None
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", *recipe[1].split(), "-d", str(out / "doctrees"), "docs", str(out / "html")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


def test_every_page_is_there_and_can_be_reached(site: Path):
    index = (site / "index.html").read_text()
    for page in sorted((ROOT / "docs").rglob("*.md")):
        place = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert (site / place).exists(), place
        assert place == "index.html" or f'href="{place}"' in index, f"{place} is not in the navigation"


def test_nothing_is_asked_of_a_network(site: Path):
    for page in site.rglob("*.html"):
        asked = re.findall(
            r'<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)="((?:https?:)?//[^"]+)"', page.read_text()
        )
        assert asked == [], page.name
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text()) == [], sheet.name


def test_every_option_and_command_is_in_the_reference(site: Path):
    text = (site / "reference" / "options.html").read_text()
    for name in field_docs(TrainOptions):
        assert flag(name) in text, name
    for command in set(command_names()) - {"auto"}:
        assert f"lookalike {command}" in text, command


def test_parameters_of_estimators_are_documented_by_the_words_of_their_options(site: Path):
    text = re.sub(r"<[^>]+>", "", (site / "api.html").read_text())
    for words in ("random_state", "Images per optimiser step, over all processes", "tau of the NT-Xent loss"):
        assert words in text


def test_the_site_opens_from_its_file_and_is_searched_without_a_network(site: Path, browser: Any):
    context = browser.new_context(offline=True)
    page = context.new_page()
    said: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((site / "search.html").as_uri() + "?q=perplexity")
    page.wait_for_selector("ul.search li a", timeout=20_000)
    assert "What the verdict means" in page.inner_text("#search-results")
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert said == []
    context.close()
