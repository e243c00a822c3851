"""Every document: its commands are ones, its links lead somewhere, and it is found."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import pytest

from alexnet_client import cli as client
from alexnet_export import cli as export
from alexnet_server import cli as server
from alexnet_training import cli as training

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("[!.]*/README.md")])
MAKEFILE = (ROOT / "Makefile").read_text()
# What a reader has from elsewhere; whatever else a block runs is ours, or a slip of the pen.
FOREIGN = {
    *(
        "apt-get",
        "base64",
        "cat",
        "cd",
        "export",
        "git",
        "grep",
        "mkdir",
        "printf",
        "sort",
        "umask",
    ),
    *("docker", "jq", "jupyter", "kubectl", "pip", "promtool", "rclone", "torchrun", "uniq"),
    *("tritonserver", "key", "}", '"}'),  # the last three: a function of docs/keys.md
}
MODULES_OF_OTHERS = {"pip", "pytest", "venv"}


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    return {
        "alexnet": client.parser_of(client.COMMANDS),
        "alexnet-export": export._parser(None),
        "alexnet-server": server._parser(),
        "alexnet-train": training._parser(),
    }


def commands(text: str) -> Iterator[list[str]]:
    """Every simple command of the text's blocks of shell, without its environment."""
    for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars=True)
            words.whitespace_split = True
            simple: list[str] = []
            for word in [*words, ";"]:
                if word not in {"|", "||", "&&", ";", "&", "(", ")"}:
                    simple.append(word)
                    continue
                simple = without_redirections(simple)
                while simple and re.match(r"\w+=", simple[0]):
                    simple.pop(0)
                if simple:
                    yield simple
                simple = []


def without_redirections(words: list[str]) -> list[str]:
    """The words of a command but for ``> file``."""
    aims = [at for at, word in enumerate(words) if word in {">", ">>", "<"}]
    return [word for at, word in enumerate(words) if not {at, at - 1} & set(aims)]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_command_is_one(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("clothing", "photos"):  # `alexnet evaluate` wants to see them
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    for program, *arguments in commands(document.read_text()):
        try:
            check(program, arguments)
        except SystemExit as refused:
            pytest.fail(f"{program} refuses {shlex.join(arguments)} ({refused.code})")


def check(program: str, arguments: list[str]) -> None:
    own = Path(program).name
    if own in parsers():
        parsers()[own].parse_args(arguments)
    elif own == "make":
        made(arguments)
    elif own.startswith("python") and arguments[0] == "-m":
        if arguments[1] not in MODULES_OF_OTHERS:
            flags_of(f"{arguments[1].replace('.', '/')}.py", arguments[2:])
    elif own.startswith("python") and arguments[0] != "-c":
        flags_of(*arguments[:1], arguments[1:])
    elif own == "curl":
        asked(arguments)
    else:
        assert own in FOREIGN or own.startswith("python"), own


def made(words: list[str]) -> None:
    """A target of the Makefile, and variables that it reads."""
    targets = {word for word in words if "=" not in word}
    assert targets <= set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE)), words
    for variable in (word.partition("=")[0] for word in words if "=" in word):
        assert re.search(rf"\$\({variable}\)", MAKEFILE), words


def flags_of(path: str, words: list[str]) -> None:
    """A program of this repository, and flags that it or what it shares has."""
    file = ROOT / path
    assert file.is_file(), path
    known = "".join(one.read_text() for one in {file, *file.parent.glob("arguments.py")})
    for flag in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert f'"{flag}"' in known, (path, flag)


def asked(words: list[str]) -> None:
    """A path that the server answers, or that of another server."""
    document = json.loads(resources.files("alexnet_server").joinpath("openapi.json").read_text())
    known = {re.sub(r"\{\w+\}", "[^/]+", path) for path in document["paths"]}
    for address in re.findall(r"(?:localhost|127\.0\.0\.1):8080(/[^ ?'\"]*)", " ".join(words)):
        assert any(re.fullmatch(path, address) for path in known), address


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(document: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {slug(one) for one in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def links(document: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(<?([^)\s>]+)>?\)", re.sub(r"`[^`\n]*`", "", text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        target, _, anchor = link.partition("#")
        if re.match(r"https?://", target):
            assert re.fullmatch(r"https?://[\w.-]+\.\w+(:\d+)?(/\S*)?", target), link
            continue
        place = (document.parent / target).resolve() if target else document
        assert place.exists(), link
        assert place.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(place), link


def test_every_document_is_found_from_the_readme() -> None:
    seen, left = set(), [ROOT / "README.md"]
    while left:
        document = left.pop()
        seen.add(document)
        targets = [(document.parent / link.partition("#")[0]).resolve() for link in links(document)]
        left += [one for one in targets if one in DOCUMENTS and one not in seen]
    assert {name(one) for one in DOCUMENTS} - {name(one) for one in seen} == set()


def flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every long flag of a program, those of its subcommands too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from flags(inner)
        yield from (one for one in action.option_strings if one.startswith("--"))


@pytest.mark.parametrize("program", sorted(parsers()))
def test_every_flag_is_in_some_document(program: str) -> None:
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    known = {flag for flag in flags(parsers()[program]) if not flag.startswith("--no-")}
    named = {flag for flag in known if re.search(rf"{flag}(?![\w-])", text)}
    assert known - named == set()
