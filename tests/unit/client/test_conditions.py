import json

import pytest

from alexnet_client.conditions import from_texts


@pytest.mark.parametrize(
    ("texts", "where"),
    [
        ([], {}),
        (["brand=acme"], {"brand": "acme"}),
        (["brand = acme & co "], {"brand": "acme & co"}),
        (["a=1=2"], {"a": "1=2"}),
        (["a="], {"a": ""}),
        (["n=10"], {"n": 10}),
        (["n=-1.5e3"], {"n": -1500.0}),
        (['n="10"'], {"n": "10"}),
        (["new=true", "old=false"], {"new": True, "old": False}),
        (["a=null"], {"a": "null"}),
        (["a=NaN"], {"a": "NaN"}),
        (["a=[1]"], {"a": "[1]"}),
        (["size=S", "size=M", "size=3"], {"size": ["S", "M", 3]}),
        (["price>=10", "price<20"], {"price": {"gte": 10, "lt": 20}}),
        (["p>1", "q<=2"], {"p": {"gt": 1}, "q": {"lte": 2}}),
        (["day>=2026-11-22"], {"day": {"gte": "2026-11-22"}}),
    ],
)
def test_conditions_as_a_person_types_them(texts, where):
    assert from_texts(texts) == where
    assert json.dumps(from_texts(texts)) == json.dumps(where)  # 1 is not true


@pytest.mark.parametrize(
    "texts",
    [
        *(["brand"], ["=acme"], ["a b=c"], ["é=1"], ["x" * 65 + "=1"]),
        *(["a>1", "a>2"], ["a=1", "a>2"], ["a>1", "a=2"], ["a=1", "a=2", "a<3"]),
    ],
)
def test_what_is_no_condition_or_cannot_be_meant(texts):
    with pytest.raises(ValueError, match=r"no condition|cannot all be meant"):
        from_texts(texts)
