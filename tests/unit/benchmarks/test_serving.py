from email import message_from_bytes

import pytest

from benchmarks.serving.ceiling import together
from benchmarks.serving.load import form_of, label_of


def test_a_form_holds_the_picture_and_nothing_else():
    picture = b"\xff\xd8 not text \x00\r\n--"
    head = b"Content-Type: multipart/form-data; boundary=alexnet-benchmark-boundary\r\n\r\n"
    (part,) = message_from_bytes(head + form_of(picture)).get_payload()
    assert part.get_param("name", header="content-disposition") == "image"
    assert part.get_payload(decode=True) == picture


@pytest.mark.parametrize(
    "answer", [{"class_id": 7}, {"results": [{"predictions": [{"class_id": 7}]}]}]
)
def test_the_label_of_either_answer(answer):
    assert label_of(answer) == 7


def test_work_that_shares_the_cores_adds_its_times():
    assert together(100, 100) == 50
    assert together(300, 150) == pytest.approx(100)
