import argparse
import dataclasses
import re
from pathlib import Path

import pytest

from alexnet_training.commands.recipe_flags import add_recipe_flags, recipe_from_flags
from alexnet_training.errors import RecipeError
from alexnet_training.presets import PRESETS
from alexnet_training.recipe import Recipe, difference, flag


def parse(*flags):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_recipe_flags(parser)
    return recipe_from_flags(parser.parse_args(flags))


def test_the_paper_preset_is_section_5():
    paper = PRESETS["paper"]
    assert (paper.batch_size, paper.momentum, paper.weight_decay) == (128, 0.9, 0.0005)
    assert (paper.learning_rate, paper.schedule, paper.drops, paper.epochs) == (
        0.01,
        "plateau",
        3,
        90,
    )
    assert (paper.initialization, paper.update, paper.dropout) == ("paper", "paper", 0.5)
    assert (paper.crops, paper.mirror, paper.colour_noise, paper.scale) == (True, True, 0.1, 1)


def test_modern_is_the_default_and_the_digits_preset_spares_digits():
    assert parse() == PRESETS["modern"]
    digits = parse("--preset", "digits")
    assert (digits.mirror, digits.colour_noise) == (False, 0)


@pytest.mark.parametrize("key", dataclasses.fields(Recipe), ids=lambda key: key.name)
def test_every_key_has_a_flag(key):
    preset = PRESETS["modern"]
    value = getattr(preset, key.name)
    flag = "--" + key.name.replace("_", "-")
    assert parse(flag, str(value)) == preset if not isinstance(value, bool) else parse(flag)


def test_flags_override_the_preset():
    recipe = parse("--preset", "paper", "--epochs=3", "--no-mirror", "--learning-rate", "0.5")
    expected = dataclasses.replace(PRESETS["paper"], epochs=3, mirror=False, learning_rate=0.5)
    assert recipe == expected


@pytest.mark.parametrize(
    "flags",
    [
        ("--epoch", "3"),
        ("--epochs", "three"),
        ("--epochs", "1.5"),
        ("--schedule", "steps"),
        ("--preset", "fast"),
        ("--mirror", "maybe"),
    ],
)
def test_unknown_and_ill_typed_are_refused(flags, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(*flags)
    assert stopped.value.code == 2
    assert flags[0] in capsys.readouterr().err or flags[-1] == "maybe"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--epochs", "0"), "--epochs is 0; it must be 1 to"),
        (("--learning-rate", "nan"), "--learning-rate is nan"),
        (("--dropout", "1"), "--dropout is 1"),
        (("--dialect", "vgg"), "alexnet2012"),
        (("--schedule", "plateau", "--validate-every", "2"), "--validate-every 1"),
    ],
)
def test_values_out_of_range_are_refused(flags, said):
    with pytest.raises(RecipeError, match=said):
        parse(*flags)


def test_difference_names_keys_and_both_values():
    former, wanted = Recipe().table(), dataclasses.replace(Recipe(), epochs=5).table()
    assert difference(former, former) == ""
    assert difference(former, wanted) == "epochs was 90 and is now 5"
    assert difference({**former, "from": "ab"}, former) == "from was 'ab' and is now None"


def cell(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def test_the_document_has_every_key_as_it_is():
    text = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
    (rows,) = re.findall(r"\| flag \| `paper` \| `modern` .*\n\|[-|]+\|\n((?:\|.+\n)+)", text)
    assert rows.splitlines() == [
        f"| `{flag(key.name)}` | {cell(getattr(PRESETS['paper'], key.name))} "
        f"| {cell(getattr(PRESETS['modern'], key.name))} | {key.metadata['text']} |"
        for key in dataclasses.fields(Recipe)
    ]
