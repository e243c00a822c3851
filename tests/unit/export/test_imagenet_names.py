from __future__ import annotations

import re

from alexnet_export.importing.imagenet_names import imagenet_names

# Indices that everyone who has used a public network has seen.
KNOWN = {
    0: "n01440764 tench",
    1: "n01443537 goldfish",
    65: "n01751748 sea snake",
    134: "n02012849 crane",
    207: "n02099601 golden retriever",
    281: "n02123045 tabby",
    285: "n02124075 Egyptian cat",
    340: "n02391049 zebra",
    404: "n02690373 airliner",
    517: "n03126707 crane",
    638: "n03710637 maillot",
    639: "n03710721 maillot",
    817: "n04285008 sports car",
    954: "n07753592 banana",
    999: "n15075141 toilet tissue",
}


def test_there_are_a_thousand_in_the_order_of_their_wordnet_ids() -> None:
    names = imagenet_names()
    assert len(names) == 1000
    assert all(re.fullmatch(r"n\d{8} \S(.*\S)?", name) for name in names)
    ids = [name.split()[0] for name in names]
    assert ids == sorted(set(ids))
    assert not any(character in "".join(names) for character in "\t\r\ufeff")


def test_well_known_indices() -> None:
    names = imagenet_names()
    for index, name in KNOWN.items():
        assert names[index].split(",")[0] == name
