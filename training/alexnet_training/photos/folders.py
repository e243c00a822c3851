"""A folder of class folders -> lists of photos with their class numbers."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from alexnet_training.errors import (
    ClassNameError,
    EmptyClass,
    FolderMissing,
    TooFewClasses,
    UnknownClass,
)

_VALIDATION_SHARE = 5  # one photo in five of every class, where the user made no split


@dataclass(frozen=True)
class Photo:
    """One file and the number of its class."""

    path: Path
    label: int


@dataclass(frozen=True)
class Photos:
    """Class names in sorted order, and the photos of the two halves."""

    classes: tuple[str, ...]
    training: tuple[Photo, ...]
    validation: tuple[Photo, ...]

    @property
    def sha256(self) -> str:
        """Tells one set of photos from another by half, class, file name and size.

        Not by folder or time: a copy elsewhere is the same set.
        """
        lines = [
            f"{half} {photo.label} {photo.path.name!r} {_size(photo.path)}"
            for half, photos in (("train", self.training), ("validation", self.validation))
            for photo in photos
        ]
        return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def find_photos(data: Path) -> Photos:
    """List ``data/train/<class>/*`` and ``data/validation/<class>/*``, or ``data/<class>/*``.

    In the second form one photo in five of every class is kept for validation, chosen by the
    sha256 of its name: the same on every machine, whatever else is added.
    Raises FolderMissing, EmptyClass, TooFewClasses, UnknownClass or ClassNameError.
    """
    _need_folder(data)
    if not (data / "train").is_dir():
        found = _class_files(data)
        classes = _class_names(found, data)
        halves = {name: _split(files) for name, files in found.items()}
        training = {name: half[0] for name, half in halves.items()}
        validation = {name: half[1] for name, half in halves.items()}
    else:
        _need_folder(data / "validation")
        training, validation = _class_files(data / "train"), _class_files(data / "validation")
        classes = _class_names(training, data / "train")
        _need_known(validation, classes, data / "validation")
    if not any(validation.values()):
        raise EmptyClass(
            f"{data} leaves no photo for validation: give a class at least two photos, or fill "
            f"{data / 'validation'}/<class>"
        )
    return Photos(classes, _number(training, classes), _number(validation, classes))


def find_labelled(data: Path, classes: tuple[str, ...]) -> tuple[Photo, ...]:
    """All photos of ``data/validation/<class>/*``, else of ``data/<class>/*``.

    Raises FolderMissing, EmptyClass, or UnknownClass where a folder is none of ``classes``.
    """
    _need_folder(data)
    place = data / "validation" if (data / "validation").is_dir() else data
    found = _class_files(place)
    _need_known(found, classes, place)
    if not found:
        raise EmptyClass(f"{place} has no class folders: expected {place}/<class>/<photo>")
    return _number(found, classes)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a broken link: named when it is decoded
        return -1


def _need_folder(place: Path) -> None:
    if not place.is_dir():
        raise FolderMissing(
            f"there is no folder {place}: expected DATA/train/<class>/<photo> and "
            "DATA/validation/<class>/<photo>, or DATA/<class>/<photo>"
        )


def _class_files(place: Path) -> dict[str, list[Path]]:
    """Class name -> its files by name.  One level only, so a link to a parent ends the walk."""
    found = {}
    for folder in sorted(place.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        if not folder.name.isprintable():
            raise ClassNameError(f"the class folder {folder!r} has a name that is not text")
        found[folder.name] = sorted(
            file for file in folder.iterdir() if not file.name.startswith(".") and not file.is_dir()
        )
        if not found[folder.name]:
            raise EmptyClass(
                f"class {folder.name!r} has no photos: {folder} has no files "
                "(photos lie directly in the class's folder)"
            )
    return found


def _class_names(found: dict[str, list[Path]], place: Path) -> tuple[str, ...]:
    if len(found) < 2:
        names = ", ".join(repr(name) for name in found) or "none"
        raise TooFewClasses(
            f"{place} has {len(found)} class folders ({names}); at least 2 are needed: "
            f"{place}/<class>/<photo>"
        )
    return tuple(sorted(found))


def _need_known(found: dict[str, list[Path]], classes: tuple[str, ...], place: Path) -> None:
    unknown = sorted(set(found) - set(classes))
    if unknown:
        raise UnknownClass(
            f"{place} has classes that were not trained on: {', '.join(unknown)}; "
            f"trained on: {', '.join(classes)}"
        )


def _split(files: list[Path]) -> tuple[list[Path], list[Path]]:
    by_digest = sorted(files, key=lambda file: hashlib.sha256(os.fsencode(file.name)).digest())
    count = max(len(files) // _VALIDATION_SHARE, min(1, len(files) - 1))
    return sorted(by_digest[count:]), sorted(by_digest[:count])


def _number(found: dict[str, list[Path]], classes: tuple[str, ...]) -> tuple[Photo, ...]:
    return tuple(
        Photo(path, label) for label, name in enumerate(classes) for path in found.get(name, ())
    )
