"""Train a network on images, or go on with a run that was interrupted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from lookalike.cli.explain import print_explanation, take_explain
from lookalike.cli.parse import Parsed, parse, read_config
from lookalike.cli.training import trained
from lookalike.core import nearby, own_code, registry
from lookalike.core.budget import FEATURES, now
from lookalike.core.damaged import is_of_a_run, way_out
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.method_facts import is_method
from lookalike.core.options import TrainOptions
from lookalike.core.places import absolute_places, find_place, find_places, is_there
from lookalike.methods.roles import DEFAULT
from lookalike.runs.folder import RunFolder
from lookalike.runs.records import RunRecord

USAGE = "lookalike train METHOD DATA"


def run(words: list[str]) -> int:
    """Train; ends by saying where everything is. The run folder is this process's until then."""
    begun = now()
    explain, words = take_explain(words)
    config, words = take_config(words)
    method, words = take_method(config, words)
    parsed = parse_train(method, words, f"lookalike train {method}", config)
    options = parsed.options
    if explain:
        return print_explanation(method, options, parsed.sources)
    from lookalike import api

    command = shlex.join(["lookalike", "train", method, *words, *(["--config", str(config)] if config else [])])
    with trained(method, options, parsed.sources, command, begun, {FEATURES}) as claimed:
        if claimed is None:
            return 0
        folder, wish = claimed
        finished = api.finish(folder, wish, threads=options.threads)
    print(f"encoder:     {folder.encoder}")
    print(f"embeddings:  {folder.embeddings} and {folder.index.name}")
    if finished.page:
        print(f"report:      {finished.page}")
    print(f"evaluate it: lookalike evaluate {shlex.quote(str(folder.path))}")
    return 0


def take_config(words: list[str]) -> tuple[Path | None, list[str]]:
    """`--config FILE` out of the words, and the words without it."""
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--config":
            if not equals and i + 1 == len(words):
                raise LookalikeError("--config needs a value: the path of a TOML file, such as RUN/config.toml")
            return Path(value if equals else words[i + 1]), words[:i] + words[i + (1 if equals else 2) :]
    return None, words


def take_method(config: Path | None, words: list[str]) -> tuple[str, list[str]]:
    """The method, from the first word or from the configuration file."""
    names = registry.names("methods")
    if words and is_method(words[0]):
        return words[0], words[1:]
    if not words or words[0] in ("-h", "--help"):
        if words or config is None:
            print(f"usage: lookalike train METHOD DATA [options]\n\nMETHOD: {', '.join(names)}")
            print("or a method of your own: FILE.py:CLASS, python:MODULE:CLASS, a name that a package has registered.")
            print("--config FILE reads options from a TOML file; flags win over it.")
            print("--explain reads the images and prints each value with where it comes from; nothing is trained.")
            print("lookalike train METHOD --help shows the options of a method.")
            sys.exit(0)
    elif not words[0].startswith("-") and (config is None or not Path(words[0]).exists()):
        hint = did_you_mean(words[0], names)
        if not hint.startswith("did") and nearby.exists(words[0]):
            hint = f"the method comes before the images: lookalike train {DEFAULT} {shlex.join(words)}"
        raise LookalikeError(f"unknown method {words[0]!r}: {hint}")
    if config is None:
        raise LookalikeError(f"name a method first: {', '.join(names)}")
    method = read_config(config).get("method")
    if method is None:
        hint = f"Name it first: lookalike train METHOD --config {shlex.quote(str(config))}"
        raise LookalikeError(f"{config} names no method. {way_out(config) if is_of_a_run(config) else hint}")
    if not is_method(str(method)):
        raise LookalikeError(f"{config}: unknown method {method!r}: {did_you_mean(str(method), names)}")
    return str(method), words


def parse_train(method: str, words: list[str], program: str, config: Path | None = None) -> Parsed[TrainOptions]:
    """Options of a method from words and a configuration file, all mistakes reported at once."""
    from lookalike.engine.presets import early_problems
    from lookalike.methods.find import find_method

    kind = find_method(method, [] if config is None else folders_from(config)).Options

    def check(options: TrainOptions) -> Iterator[str]:
        yield from early_problems(options)
        if not options.data:
            yield f"no images named: {program} DATA, where DATA is folders, image files, a list, an archive, digits..."

    return parse(kind, words, program, ("data",), config, check, ("method",), partial(resolve_places, config))


def folders_from(config: Path) -> Sequence[str | Path]:
    """The folders that relative places in a configuration file are tried from."""
    if not is_of_a_run(config):
        return [Path.cwd(), config.parent.absolute()]
    return RunFolder(config.parent).folders()


def resolve_places(config: Path | None, values: Mapping[str, object]) -> dict[str, object]:
    """The values of a configuration file, with relative places as the working folder sees them.

    The places of RUN/config.toml are searched as every command searches the images of a run, and `out` is RUN, wherever
    it lies now. Those of any other file are searched in the working folder, then in the folder of the file.
    """
    if config is None:
        return dict(values)
    run = RunFolder(config.parent)
    is_run = is_of_a_run(config)
    record = run.status() if run.record.is_file() else RunRecord()
    folders = folders_from(config)
    resolved = dict(values)
    for name in ("init", "augment_by", "more_labels", "cache"):
        place = resolved.get(name)
        if isinstance(place, str):
            resolved[name] = find_place(place, folders) or place
    for name in ("loss", "augment"):
        word = resolved.get(name)
        if isinstance(word, str) and own_code.is_own(word):
            own_code.find(word, folders)  # known by this name from here on
    data = resolved.get("data")
    if data and isinstance(data, str | list) and all(isinstance(place, str) for place in data):
        recorded = record.data if is_run else None
        resolved["data"] = list(recorded) if recorded and all(map(is_there, recorded)) else find_places(data, folders)
        if resolved["data"] == absolute_places(data):
            resolved["data"] = data
    if is_run:
        resolved["out"] = str(run.path)
    return resolved
