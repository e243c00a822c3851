"""docs/client.md names every command and flag, and no other."""

import argparse
import re
from pathlib import Path

import pytest

from alexnet_client import cli
from alexnet_client.commands.listed import COMMANDS

REFERENCE = (Path(__file__).parents[3] / "docs" / "client.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", REFERENCE, re.MULTILINE))
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def parsers():
    (choices,) = [
        action.choices
        for action in cli.parser_of(COMMANDS)._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    return choices


def flags(parser):
    return {flag for action in parser._actions for flag in action.option_strings if flag[1] == "-"}


COMMON = flags(cli.parser_of(COMMANDS))


def test_every_command_has_its_section():
    names = [command.name for command in COMMANDS]
    assert sorted(name for name in SECTIONS if name in names) == sorted(names)
    assert set(SECTIONS) - set(names) == {"Every command", "Bad input"}


def test_the_flags_of_all_commands_are_there():
    assert set(FLAG.findall(SECTIONS["Every command"])) == COMMON


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_flag_of_a_command_is_there_and_no_other(name):
    own = flags(parsers()[name]) - COMMON
    named = {
        flag for code in re.findall(r"`([^`]+)`", SECTIONS[name]) for flag in FLAG.findall(code)
    }
    assert own - named == set()
    assert named - own - COMMON == set()


def test_every_exit_code_is_there():
    codes = re.findall(r"^\| (\d+) \|", SECTIONS["Every command"], re.MULTILINE)
    expected = (cli.DONE, cli.FAILED, cli.USAGE, cli.UNREACHABLE, cli.INTERRUPTED)
    assert tuple(map(int, codes)) == expected
