"""Recipes by name."""

from __future__ import annotations

import types
from collections.abc import Mapping

from alexnet_training.recipe import Recipe
from alexnet_training.schedule import SOURCE_EPOCHS

PRESETS: Mapping[str, Recipe] = types.MappingProxyType(
    {
        # Section 5, with section 4 for the augmentation; the defaults above are its numbers.
        "paper": Recipe(),
        # The authors' layers-145.cfg where it differs from the text: first weights of three layers,
        # the biases' rate, when rates drop, and what is divided while there is noise.
        "source": Recipe(
            initialization="source",
            epochs=SOURCE_EPOCHS,
            bias_rate=2.0,
            schedule="source",
            divide_noisy=True,
        ),
        # For a few thousand photos on a small machine: the paper's start needs about a million.
        "modern": Recipe(
            epochs=45,
            batch_size=64,
            update="adamw",
            learning_rate=1e-3,
            schedule="cosine",
            warm_up=0.1,
            # The first weights are noise: at this rate they are forgotten in some ten epochs, at
            # a sixtieth of it they are still there at the end (docs/training.md).
            weight_decay=3.0,
            clip=5.0,
            initialization="he",
            batch_norm=True,
            label_smoothing=0.1,
            contrast=0.2,
            least_area=0.35,
            colour_jitter=0.3,
            cutmix=0.3,
            scale=1 / 58,  # about 1 / standard deviation of photos' pixels: He's weights expect it
        ),
        # Digits of one pen colour: a mirrored 2 is no digit, and grey has no colour to vary.
        "digits": Recipe(
            epochs=1,
            batch_size=24,
            update="adamw",
            learning_rate=1e-3,
            schedule="cosine",
            warm_up=0.1,
            second_moment=0.98,  # looks back 50 steps: there are 61 in all
            weight_decay=0.01,
            initialization="he",
            batch_norm=True,  # without it the same top-1 takes two epochs
            dropout=0.2,  # half costs twice the epochs for the same top-1
            mirror=False,
            colour_noise=0.0,
            scale=1 / 58,
        ),
        # From another network's weights: a new classifier on layers that stay as they are.
        "finetune": Recipe(
            epochs=10,
            batch_size=64,
            update="adamw",
            learning_rate=1e-3,
            schedule="cosine",
            warm_up=0.1,
            weight_decay=0.05,
            clip=5.0,
            initialization="he",
            label_smoothing=0.1,
            learn_last=1,
            below_rate=0.1,
        ),
    }
)
DEFAULT_PRESET = "modern"
FROM_PRESET = "finetune"
