"""The list that the page saves, as Python's csv module writes it."""

import base64
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from browser import Opened


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
