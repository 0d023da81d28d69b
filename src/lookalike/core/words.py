"""Numbers with their nouns and verbs: "1 image is", "2 batches are"."""

from __future__ import annotations

import re


def plural(noun: str) -> str:
    """The plural of a noun, of whose words the last one is counted: training image, batch, class, copy."""
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search(r"(s|x|z|sh|[^o]ch)$", noun) else f"{noun}s"  # epoch is of a k


def counted(n: int, noun: str, many: str | None = None) -> str:
    """A number and a noun: "1 label", "1,797 labels"; `many` where the plural is not that of the last word."""
    return f"{n:,} {agreeing(n, noun, plural(noun) if many is None else many)}"


def agreeing(n: int, one: str, many: str) -> str:
    """The word that goes with a number: is or are, has or have, a noun or its plural."""
    return one if n == 1 else many
