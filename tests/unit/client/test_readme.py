"""The client's README says of the library what the library says of itself."""

import inspect
import re
import tomllib
from pathlib import Path

import alexnet_client
from alexnet_client import Client, ClientError

FOLDER = Path(__file__).parents[3] / "client"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_extra_is_told_and_no_other():
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (table,) = re.findall(r"\| extra \|.+?\n\n", README, re.DOTALL)
    assert set(re.findall(r"`\[(\w+)\]`", table)) == set(project["optional-dependencies"])
    assert {re.split(r"\W", line)[0] for line in project["dependencies"]} == {"httpx", "numpy"}


def test_every_error_is_told_with_whether_a_repeat_may_help():
    told = dict(re.findall(r"^\| `(\w+)` \|.+\| (yes|no) \|$", README, re.MULTILINE))
    public = {name: getattr(alexnet_client, name) for name in alexnet_client.__all__}
    assert told == {
        name: "yes" if one.retryable else "no"
        for name, one in public.items()
        if isinstance(one, type) and issubclass(one, ClientError) and one is not ClientError
    }


def test_every_call_is_told():
    (table,) = re.findall(r"\| call \| gives \|.+?\n\n", README, re.DOTALL)
    told = set(re.findall(r"`(\w+)[(`]", table))
    calls = {
        name
        for name, _ in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_")
    }
    assert told == calls - {"close"}
