"""Which of my products look like this one?

    .venv/bin/python examples/similar_products.py photos photos/shoes/17.jpg --sheet similar.jpg

Every photo below the folder goes into the index (again costs nothing: a photo keeps the sha256 of
its bytes as id), then the nearest to one photo are told, and drawn beside it.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from PIL import Image, ImageOps

from alexnet_client import Client, Neighbor, walk

SIDE = 180


def put(client: Client, folder: Path) -> None:
    """Store every photo under its own folder's name, with the path that leads back to it."""
    found = list(walk(folder))
    shop = str(folder.resolve())
    added = client.add_many(
        [one.path for one in found],
        labels=[one.label for one in found],
        metadata=[{"shop": shop, "product": str(one.path)} for one in found],
    )
    for result in added:
        if result.error:
            print(f"left out: {result.error}")
    print(f"{len(found)} photos, {client.count()} pictures in the index")


def similar(client: Client, folder: Path, photo: Path, k: int) -> list[Neighbor]:
    """The nearest others of the folder, by the distance of the 4096 features."""
    own = hashlib.sha256(photo.read_bytes()).hexdigest()  # its id, if it is stored
    found = client.search(photo, k=k + 1, where={"shop": str(folder.resolve())}).neighbors
    return [one for one in found if one.id != own][:k]


def product(neighbor: Neighbor) -> Path:
    """Where a stored photo lies."""
    return Path((neighbor.metadata or {})["product"])


def draw(photo: Path, neighbors: list[Neighbor], sheet: Path) -> None:
    """The photo, and to its right those like it, the nearest first."""
    places = [photo, *map(product, neighbors)]
    drawn = Image.new("RGB", (SIDE * len(places), SIDE), "white")
    for column, place in enumerate(places):
        with Image.open(place) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        drawn.paste(ImageOps.fit(upright, (SIDE - 6, SIDE)), (column * SIDE, 0))
    drawn.save(sheet)
    print(f"drawn: {sheet}")


def main() -> None:
    """Put, ask, tell, draw."""
    parser = argparse.ArgumentParser(description="Which of my products look like this one?")
    parser.add_argument("folder", type=Path, help="photos, in a folder for each kind if you like")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--k", type=int, default=6, help="how many (6)")
    parser.add_argument("--sheet", type=Path, metavar="FILE.jpg", help="draw them there")
    parser.add_argument("--server", help="its address (http://127.0.0.1:8080)")
    options = parser.parse_args()
    with Client(options.server) as client:
        put(client, options.folder)
        neighbors = similar(client, options.folder, options.photo, options.k)
        for one in neighbors:
            print(f"{one.distance:8.2f}  {one.label or '':<12} {product(one)}")
    if options.sheet:
        draw(options.photo, neighbors, options.sheet)


if __name__ == "__main__":
    main()
