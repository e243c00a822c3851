"""Which photos of a folder are nearly the same, and which of each group to keep?

    .venv/bin/python examples/duplicate_photos.py photos
    .venv/bin/python examples/duplicate_photos.py photos --move-to photos-twice

Nothing is deleted: without ``--move-to`` it only tells.  To keep is the photo of the most bytes.
"""

from __future__ import annotations

import argparse
import shutil
from collections import defaultdict
from pathlib import Path

from alexnet_client import Client, walk


def put(client: Client, folder: Path) -> dict[str, list[Path]]:
    """Store every photo; gives the files of each id, several where their bytes are the same."""
    found = [one.path for one in walk(folder)]
    files = defaultdict(list)
    for path, result in zip(found, client.add_many(found), strict=True):
        if result.error:
            print(f"left out: {result.error}")
        else:
            files[result.id].append(path)
    return files


def groups(client: Client, files: dict[str, list[Path]], max_distance: float) -> list[list[Path]]:
    """Files that are nearly the same; the one to keep is the first of its group."""
    left, found = dict(files), []
    for group in client.duplicates(max_distance):
        alike = (group.keep, *group.others)
        found.append([path for one in alike for path in left.pop(one.id, [])])
    found.extend(left.values())  # the same bytes under several names
    return [paths for paths in found if len(paths) > 1]


def move(path: Path, place: Path) -> bool:
    """Move a file where nothing lies yet; says so where something does."""
    if place.exists():
        print(f"     {place} is there already: {path} stays")
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, place)
    return True


def main() -> None:
    """Put, compare, tell, and move if that is asked for."""
    parser = argparse.ArgumentParser(description="Which photos are nearly the same?")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--max-distance", type=float, default=4.0, help="of their features (4)")
    parser.add_argument("--move-to", type=Path, metavar="FOLDER", help="move all but one there")
    parser.add_argument("--server", help="its address (http://127.0.0.1:8080)")
    options = parser.parse_args()
    if options.move_to and options.move_to.resolve().is_relative_to(options.folder.resolve()):
        parser.error(f"{options.move_to} lies in {options.folder}: name a folder beside it")
    with Client(options.server) as client:
        files = put(client, options.folder)
        found = groups(client, files, options.max_distance)
    moved = 0
    for keep, *others in found:
        print(f"keep {keep}")
        for other in others:
            print(f"     {other}")
            if options.move_to:
                moved += move(other, options.move_to / other.relative_to(options.folder))
    spare = sum(len(group) - 1 for group in found)
    print(f"{len(found)} groups, {spare} photos to spare, {moved} moved")


if __name__ == "__main__":
    main()
