"""The 1000 classes of ImageNet's challenge, each with its WordNet id, in the usual order.

The order is that of the WordNet ids: index 0 is n01440764, the tench, 999 n15075141, toilet tissue.
The public AlexNets answer in it.  Ids and names are those of WordNet 3.0 (Princeton University).
"""

from __future__ import annotations

from importlib.resources import files

_FILE = "imagenet_names.txt"


def imagenet_names() -> tuple[str, ...]:
    """``n02123045 tabby, tabby cat``: WordNet id, blank, names; the position is the index."""
    text = files(__package__).joinpath(_FILE).read_text("utf-8")
    return tuple(text.splitlines())
