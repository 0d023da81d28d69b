"""How Sphinx builds the site: `make docs`."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # generate.py

import generate  # noqa: E402 - found by the line above

import lookalike  # noqa: E402 - after it, as imports stay together

project = "lookalike"
author = "the authors of lookalike"
copyright = "the authors of lookalike, MIT licence"
version = release = lookalike.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["notebooks/*"]  # shown as pages that generate.py makes
myst_heading_anchors = 3
smartquotes = False  # two dashes begin a flag

html_theme = "furo"
html_title = "lookalike"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it fetches pages, which a browser does not allow to a site opened from its file
html_theme_options = {"source_edit_link": "", "top_of_page_buttons": []}

default_role = "literal"  # our docstrings write code between single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False


def sections(app, what, name, obj, options, lines):
    """Our docstrings as Sphinx reads them: headings that napoleon knows, names that end in _ as code and no links."""
    del app, what, name, obj, options
    for i, line in enumerate(lines):
        if line.startswith("Parameters (all by name):"):
            lines[i] = "Keyword Args:"
        elif "`" not in line:
            lines[i] = re.sub(r"\b(\w+_)(?!\w)", r"`\1`", line)


def setup(app):
    """What follows from code is made before pages are read."""
    app.connect("builder-inited", lambda app: generate.write(HERE / "reference"))
    app.connect("autodoc-process-docstring", sections, priority=100)  # before napoleon
