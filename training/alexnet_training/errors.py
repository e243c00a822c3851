"""What can go wrong between a folder of photos and a checkpoint.

TrainingError
├── DataError
│   ├── FolderMissing        the data folder, or the half of it that is needed, is not there
│   ├── EmptyClass           a class folder without one readable photo
│   ├── TooFewClasses        fewer than two classes to tell apart
│   ├── UnknownClass         a class to measure on that the network was not trained on
│   ├── ClassNameError       a class folder whose name is not text
│   ├── UnreadablePhoto      with --strict: a photo that cannot be decoded
│   └── FeaturesError        features to learn codes from that cannot be read, or are too few
├── NoSpace                  the disk has no room for the decoded photos or the checkpoint
├── RecipeError              a value of the recipe outside its range
├── DeviceError              the device asked for is not there
├── RunMismatch              the run folder holds a run with another recipe, classes or photos
├── DivergedError            the loss is no longer a finite number
├── BudgetError              no compressed file of so few bytes can be made
└── Interrupted              stopped by Ctrl-C, the last whole checkpoint is kept
"""

from __future__ import annotations


class TrainingError(Exception):
    """Root of the tree; the message says what came, what is needed and what to do."""


class DataError(TrainingError):
    """Something about the photos, or about the features made of them."""


class FolderMissing(DataError):
    """The data folder, or the half of it that is needed, is not there."""


class EmptyClass(DataError):
    """A class folder without one readable photo."""


class TooFewClasses(DataError):
    """Fewer than two classes to tell apart."""


class UnknownClass(DataError):
    """A class to measure on that the network was not trained on."""


class ClassNameError(DataError):
    """A class folder whose name is not text."""


class UnreadablePhoto(DataError):
    """With ``--strict``: a photo that cannot be decoded."""


class DuplicatePhotos(DataError):
    """Photos that are in the training half and in the validation half."""


class FeaturesError(DataError):
    """Features to learn codes from that cannot be read, or are too few."""


class NoSpace(TrainingError):
    """The disk has no room for the decoded photos or the checkpoint."""


class RecipeError(TrainingError):
    """A value of the recipe outside its range."""


class DeviceError(TrainingError):
    """The device asked for is not there."""


class UnlikeNetworks(TrainingError):
    """Networks that cannot be averaged: they know other classes."""


class RunMismatch(TrainingError):
    """The run folder holds a run with another recipe, classes or photos."""


class DivergedError(TrainingError):
    """The loss is no longer a finite number."""


class BudgetError(TrainingError):
    """No compressed file of so few bytes can be made of the network."""


class Interrupted(TrainingError):
    """Stopped by Ctrl-C; the last whole checkpoint is kept."""
