import os
import shutil

import pytest

from alexnet_training.errors import (
    ClassNameError,
    EmptyClass,
    FolderMissing,
    TooFewClasses,
    UnknownClass,
)
from alexnet_training.photos.folders import find_labelled, find_photos


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")


def test_two_halves_are_read_as_they_stand(photos):
    found = find_photos(photos)
    assert found.classes == ("brick", "sky")
    assert [photo.label for photo in found.training] == [0] * 8 + [1] * 8
    assert [photo.label for photo in found.validation] == [0] * 4 + [1] * 4
    assert found.validation[4].path == photos / "validation" / "sky" / "000.png"


def test_one_folder_is_split_the_same_way_every_time(tmp_path):
    touch(tmp_path / "a", *(f"{index}.png" for index in range(20)))
    touch(tmp_path / "b", *(f"{index}.png" for index in range(7)))
    touch(tmp_path / "c", "one.png", "two.png")
    touch(tmp_path / "d", "only.png")
    found = find_photos(tmp_path)
    assert find_photos(tmp_path) == found
    kept = [sum(photo.label == label for photo in found.validation) for label in range(4)]
    assert kept == [4, 1, 1, 0]
    assert not set(found.training) & set(found.validation)
    assert len(found.training) + len(found.validation) == 30


def test_no_photo_for_validation_is_told(tmp_path):
    touch(tmp_path / "a", "1.png")
    touch(tmp_path / "b", "1.png")
    with pytest.raises(EmptyClass, match="no photo for validation"):
        find_photos(tmp_path)


def test_hidden_files_and_folders_are_not_photos(photos):
    touch(photos / "train" / "sky", ".DS_Store")
    touch(photos / "train" / ".cache", "x")
    (photos / "train" / "sky" / "more").mkdir()
    assert len(find_photos(photos).training) == 16


def test_links_in_circles_end(photos):
    (photos / "train" / "sky" / "circle").symlink_to(photos / "train")
    (photos / "train" / "itself").symlink_to("itself")
    assert len(find_photos(photos).training) == 16


def test_a_class_linked_to_its_parent_is_empty_and_named(photos):
    (photos / "train" / "circle").symlink_to(photos / "train")
    with pytest.raises(EmptyClass, match="'circle'"):
        find_photos(photos)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FolderMissing, match=r"nowhere.*DATA/train/<class>"):
        find_photos(tmp_path / "nowhere")


def test_train_without_validation_is_named(photos):
    shutil.rmtree(photos / "validation")
    with pytest.raises(FolderMissing, match=r"photos/validation"):
        find_photos(photos)


def test_an_empty_class_is_named(photos):
    (photos / "train" / "fog").mkdir()
    with pytest.raises(EmptyClass, match="'fog'"):
        find_photos(photos)


def test_one_class_is_too_few(tmp_path):
    touch(tmp_path / "only", "1.png")
    with pytest.raises(TooFewClasses, match=r"1 class folders \('only'\)"):
        find_photos(tmp_path)


def test_no_class_is_too_few(tmp_path):
    with pytest.raises(TooFewClasses, match=r"0 class folders \(none\)"):
        find_photos(tmp_path)


def test_a_validation_class_that_was_not_trained_on_is_named(photos):
    touch(photos / "validation" / "fog", "1.png")
    with pytest.raises(UnknownClass, match="not trained on: fog; trained on: brick, sky"):
        find_photos(photos)


def test_a_class_name_that_is_not_text_is_refused(tmp_path):
    touch(tmp_path / "good", "1.png")
    (tmp_path / os.fsdecode(b"bad\xff")).mkdir()
    with pytest.raises(ClassNameError, match="not text"):
        find_photos(tmp_path)


def test_labelled_photos_take_the_checkpoints_numbers(photos):
    classes = ("brick", "moss", "sky")
    found = find_labelled(photos, classes)
    assert {photo.label for photo in found} == {0, 2}
    assert len(found) == 8
    assert len(find_labelled(photos / "train", classes)) == 16
    with pytest.raises(UnknownClass, match="sky"):
        find_labelled(photos, ("brick", "moss"))


def test_a_folder_without_classes_cannot_be_measured_on(tmp_path):
    with pytest.raises(EmptyClass, match="no class folders"):
        find_labelled(tmp_path, ("a", "b"))
