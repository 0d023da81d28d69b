"""Brace patterns as shells and WebDataset write them: `shard-{000..012}.tar`, `{train,val}/*.jpg`."""

from __future__ import annotations

import re

from lookalike.core.errors import LookalikeError

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?|([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d+))?")
_MOST = 100_000  # names that one pattern may stand for


def expanded(pattern: str) -> list[str]:
    """The names that a pattern stands for, in the order in which it names them; itself where it has no braces.

    As in bash: `{a,b}` is a choice, `{000..012}` a range with as many digits, `{0..8..2}` one with a step, `{a..e}`
    letters; braces may follow and hold one another. Braces without a comma or a range stay as they are.

    Raises:
        LookalikeError: it stands for more than 100,000 names.
    """
    done: list[str] = []
    for choices in _product(pattern):
        done.append(choices)
        if len(done) > _MOST:
            raise LookalikeError(f"the pattern {pattern} stands for more than {_MOST:,} names")
    return done


def _product(text: str) -> list[str]:
    """All texts, from the first brace that has choices and what follows it."""
    start = 0
    while (start := text.find("{", start)) >= 0:
        end = _closing(text, start)
        choices = None if end is None else _choices(text[start + 1 : end])
        if end is None or choices is None:
            start += 1
            continue
        heads = [choice for part in choices for choice in _product(part)]
        tails = _product(text[end + 1 :])
        if len(heads) * len(tails) > _MOST:
            raise LookalikeError(f"the pattern {text} stands for more than {_MOST:,} names")
        return [text[:start] + head + tail for head in heads for tail in tails]
    return [text]


def _closing(text: str, start: int) -> int | None:
    depth = 0
    for i in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return None


def _choices(inside: str) -> list[str] | None:
    """What stands between two braces as choices; None where it is neither a list nor a range."""
    parts, depth, last = [], 0, 0
    for i, sign in enumerate(inside):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append(inside[last:i])
            last = i + 1
    if parts:
        return [*parts, inside[last:]]
    matched = _RANGE.fullmatch(inside)
    if matched is None:
        return None
    low, high, step, first, letter, letter_step = matched.groups()
    if first is not None:
        return [chr(code) for code in _steps(ord(first), ord(letter), letter_step)]
    numbers = _steps(int(low), int(high), step)
    padded = any(len(word.lstrip("-")) > 1 and word.lstrip("-").startswith("0") for word in (low, high))
    width = max(len(low), len(high)) if padded else 0
    return [f"{number:0{width}d}" for number in numbers]


def _steps(low: int, high: int, step: str | None) -> range:
    by = abs(int(step or 1)) or 1
    numbers = range(low, high + 1, by) if low <= high else range(low, high - 1, -by)
    if len(numbers) > _MOST:
        raise LookalikeError(f"the range {low}..{high} stands for more than {_MOST:,} names")
    return numbers
