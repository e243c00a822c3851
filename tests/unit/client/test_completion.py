"""The completion scripts, in the shells that are here (bash is everywhere the tests run)."""

import json
import shutil
import subprocess
import sys

import pytest

from alexnet_client import cli
from alexnet_client.commands.completion import SHELLS
from alexnet_client.commands.listed import COMMANDS


@pytest.fixture
def script(tmp_path, capsys):
    def make(shell):
        assert cli.main(["completion", shell]) == 0
        path = tmp_path / f"alexnet.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return make


def run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, **options
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def bash(script, folder, *words):
    """What bash offers for the last word."""
    ask = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        'complete -p alexnet >&3; _shtab_alexnet alexnet "${COMP_WORDS[COMP_CWORD]}"; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    shell = shutil.which("bash")
    assert shell is not None
    lines = run(shell, "-c", f"exec 3>/dev/null; {ask}", "bash", script, *words, cwd=folder)
    return set(lines.split())


@pytest.mark.skipif(sys.platform == "win32", reason="bash is not there")
def test_bash_completes_commands_options_choices_and_files(script, tmp_path):
    made = script("bash")
    names = {command.name for command in COMMANDS}
    assert bash(made, tmp_path, "alexnet", "") == names
    assert bash(made, tmp_path, "alexnet", "--json", "ev") == {"evaluate"}
    options = bash(made, tmp_path, "alexnet", "evaluate", "--")
    assert {"--out", "--retrieval-only", "--views", "--server", "--json"} <= options
    assert bash(made, tmp_path, "alexnet", "classify", "--views", "") == {"1", "10"}
    assert bash(made, tmp_path, "alexnet", "completion", "") == set(SHELLS)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photo.jpg").touch()
    assert bash(made, tmp_path, "alexnet", "classify", "pho") == {"photos", "photo.jpg"}
    assert bash(made, tmp_path, "alexnet", "evaluate", "pho") == {"photos"}


@pytest.mark.parametrize(("shell", "check"), [("zsh", "-n"), ("fish", "--no-execute")])
def test_other_shells_can_read_theirs(script, shell, check):
    made = script(shell)
    for command in COMMANDS:
        assert command.name in made.read_text()
    if (found := shutil.which(shell)) is not None:
        run(found, check, made)


def test_as_json(capsys):
    assert cli.main(["completion", "fish", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["shell"] == "fish"
    assert "alexnet" in document["script"]


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)  # as if it were not installed
    assert cli.main(["completion", "bash", "--json"]) == 1
    output = capsys.readouterr()
    assert "[completion]" in output.err
    assert json.loads(output.out)["error"]["code"] == "missing_extra"
