"""Class folders: the split, and a rule for everything odd."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.archives import Archive, read_archive, read_folder
from core.errors import ConfigError, DataError
from tests.core.data.own_pictures import letter, letter_folder, photograph_folder, save, tiles


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """24 tiles of each photograph, in two class folders."""
    return photograph_folder(tmp_path / "photos")


def warned(archive: Archive, text: str) -> str:
    found = [warning for warning in archive.warnings if text in warning]
    assert len(found) == 1, archive.warnings
    return found[0]


def files_of(archive: Archive, *, test: bool) -> set[str]:
    return {file for file, out in zip(archive.files, archive.is_test_N, strict=True) if out == test}


def test_folders_are_classes_and_their_name_the_data_sets(photos: Path) -> None:
    archive = read_folder(photos)
    assert archive.name == "photos"
    assert archive.class_names == ("china", "flower")
    assert archive.files[0] == "china/000.jpg"
    assert np.bincount(archive.labels_N).tolist() == [24, 24]
    for file, label in zip(archive.files, archive.labels_N, strict=True):
        assert file.startswith(archive.class_names[label])
        assert (photos / file).is_file()
    assert archive.attribute_names == ()
    assert archive.attributes_NA.shape == (48, 0)
    assert archive.warnings == ()


def test_three_tenths_of_each_class_are_held_out_by_seed(photos: Path) -> None:
    archive, other = read_folder(photos), read_folder(photos, test_seed=1)
    assert np.bincount(archive.labels_N[archive.is_test_N]).tolist() == [8, 7]
    assert np.array_equal(archive.is_test_N, read_folder(photos).is_test_N)
    assert not np.array_equal(archive.is_test_N, other.is_test_N)
    assert read_folder(photos, test_share=0.5).is_test_N.sum() == 24


def test_near_duplicates_stay_on_one_side(photos: Path) -> None:
    for number, tile in enumerate(tiles("china")):
        tile.save(photos / "china" / f"again {number:03d}.png")
    archive = read_folder(photos, test_share=0.4)
    assert len(archive) == 72
    assert "24 of the 72 pictures" in warned(archive, "Near duplicates")
    side: dict[int, set[bool]] = {}
    assert archive.groups_N is not None
    for group, is_test in zip(archive.groups_N, archive.is_test_N, strict=True):
        side.setdefault(int(group), set()).add(bool(is_test))
    assert len(side) == 48
    assert all(len(sides) == 1 for sides in side.values())
    assert archive.is_test_N.any()

    careless = read_folder(photos, test_share=0.4, near_duplicates=False)
    assert len(np.unique(careless.groups_N)) == 72
    assert not careless.warnings


def test_folders_of_a_split_are_taken_as_they_are(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "cut"
    shutil.copytree(photos, root / "Train")
    for part, name, first in (("val", "china", 2), ("TEST", "flower", 4), ("TEST", "china", 5)):
        (root / part / name).mkdir(parents=True)
        (root / "Train" / name / f"{first:03d}.jpg").rename(root / part / name / "x.jpg")
    archive = read_folder(root)
    assert files_of(archive, test=True) == {"TEST/flower/x.jpg", "TEST/china/x.jpg"}
    assert "val/china/x.jpg" in files_of(archive, test=False)
    assert "The 1 pictures of the validation part join" in warned(archive, "validation")

    shutil.rmtree(root / "TEST")
    archive = read_folder(root)
    assert files_of(archive, test=True) == {"val/china/x.jpg"}
    warned(archive, "the validation part takes its place")
    assert "(1): flower" in warned(archive, "without a picture in the test part")


def test_a_test_picture_that_was_trained_on_is_told(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "cut"
    shutil.copytree(photos, root / "train")
    (root / "test" / "china").mkdir(parents=True)
    shutil.copy(photos / "china" / "003.jpg", root / "test" / "china" / "again.jpg")
    archive = read_folder(root)
    assert "(1): test/china/again.jpg" in warned(archive, "Accuracy on test is too good by them")


def test_one_picture_in_two_classes_is_told(photos: Path) -> None:
    shutil.copy(photos / "china" / "003.jpg", photos / "flower" / "003 again.jpg")
    archive = read_folder(photos)
    assert "(1): china/003.jpg. Are their classes right?" in warned(archive, "more than one class")


def test_a_train_that_is_a_class_is_one(tmp_path: Path) -> None:
    root = letter_folder(tmp_path / "root", ["train", "bus"])
    assert read_folder(root).class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train/a", "train/b", "test/a", "cats"], "must be no other folder, but there is 'cats'"),
        (["train/a", "train/b", "val/a", "Valid/a"], "'Valid' and 'val' .* are both 'val'"),
        (["train/a", "train/b", "test/a", "test/c"], r"have none \(1\): c. Are the names the same"),
        (["train/a", "train/b", "test/A"], "'A' and 'a': give one of the two another name"),
        (["Heron", "heron"], "differ in more than case, but there are 'Heron' and 'heron'"),
        (["straße", "STRASSE"], "differ in more than case"),
        (["a"], "of at least two classes, but there is 'a' alone"),
        (["train/a", "train/b"], "there is 'train' alone"),
    ],
)
def test_folders_that_do_not_fit_together_are_refused(
    tmp_path: Path, folders: list[str], message: str
) -> None:
    for number, folder in enumerate(folders):
        for font in ("DejaVuSans", "cmr10"):
            save(letter("ABCDEFGH"[number], font), tmp_path / "root" / folder / f"{font}.png")
    with pytest.raises(DataError, match=message):
        read_folder(tmp_path / "root")


def test_spaces_and_unicode_are_kept_and_brought_to_one_form(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "Häuser & Blüten (2024)"
    shutil.copytree(photos, root / "train")
    (root / "train" / "flower").rename(root / "train" / "große Blüte 花")
    decomposed = "große Blu\u0308te 花"
    assert decomposed != "große Blüte 花"
    shutil.copytree(root / "train" / "große Blüte 花", root / "test" / decomposed)
    archive = read_folder(root, near_duplicates=False)
    assert archive.name == "Häuser_Blüten_2024"
    assert archive.class_names == ("china", "große Blüte 花")
    assert archive.is_test_N.sum() == 24
    assert all((root / file).is_file() for file in archive.files)


def test_what_is_no_picture_is_left_out_and_counted(photos: Path) -> None:
    (photos / "china" / "notes.txt").write_text("no picture")
    (photos / "labels.csv").write_text("no picture")
    shutil.copy(photos / "china" / "001.jpg", photos / "loose.jpg")
    (photos / "empty").mkdir()
    (photos / ".git").mkdir()
    (photos / "__MACOSX").mkdir()
    (photos / "china" / "._001.jpg").write_bytes(b"hidden")
    archive = read_folder(photos)
    assert len(archive) == 48
    assert "(1): loose.jpg" in warned(archive, "in no class folder")
    assert "(2): labels.csv, china/notes.txt" in warned(archive, "do not end as pictures")
    assert "(1): empty" in warned(archive, "without a picture are left out")
    assert len(archive.warnings) == 3


def test_pictures_in_deeper_folders_are_of_the_folder_above(photos: Path) -> None:
    (photos / "china" / "roof" / "left").mkdir(parents=True)
    (photos / "china" / "001.jpg").rename(photos / "china" / "roof" / "left" / "1.JPG")
    archive = read_folder(photos)
    assert archive.files.count("china/roof/left/1.JPG") == 1
    assert np.bincount(archive.labels_N).tolist() == [24, 24]


def test_links_are_followed_but_not_in_circles(photos: Path, tmp_path: Path) -> None:
    save(letter("R", "cmr10"), tmp_path / "elsewhere" / "r.png")
    (photos / "letters").symlink_to(tmp_path / "elsewhere")
    (photos / "china" / "linked.jpg").symlink_to(photos / "flower" / "001.jpg")
    (photos / "china" / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    (photos / "gone").symlink_to(photos / "nowhere")
    (photos / "flower" / "up").symlink_to(photos)
    (photos / "flower" / "self").symlink_to(photos / "flower")
    archive = read_folder(photos)
    assert archive.class_names == ("china", "flower", "letters")
    assert {"letters/r.png", "china/linked.jpg"} <= set(archive.files)
    assert "(2): gone, china/gone.jpg" in warned(archive, "Links that lead nowhere")
    assert "(2): flower/self, flower/up" in warned(archive, "back to a folder above them")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes there alone")
def test_names_that_are_no_text_are_left_out(photos: Path) -> None:
    folder = os.fsencode(photos / "china")
    os.rename(os.path.join(folder, b"001.jpg"), os.path.join(folder, b"\xff.jpg"))
    archive = read_folder(photos)
    assert len(archive) == 47
    assert "(1): china/\\udcff.jpg" in warned(archive, "no UTF-8")


def test_one_picture_of_a_class_is_for_training(photos: Path) -> None:
    save(letter("Q", "cmr10"), photos / "single" / "q.png")
    archive = read_folder(photos)
    assert "single/q.png" in files_of(archive, test=False)
    assert "never tested (1): single" in warned(archive, "one picture")


def test_classes_of_one_picture_each_cannot_be_cut(tmp_path: Path) -> None:
    for character in "ABC":
        save(letter(character, "cmr10"), tmp_path / "root" / character / "x.png")
    with pytest.raises(DataError, match="none of the 3 pictures can be spared"):
        read_folder(tmp_path / "root")


def test_a_folder_without_pictures_is_refused_with_what_one_looks_like(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`root` must be a folder, but '.*none' is none"):
        read_folder(tmp_path / "none")
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match=r"(?s)none that ends in .bmp, .*PICTURES/train/heron"):
        read_folder(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"Pictures in no class folder are left out \(1\)"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_share": 0}, r"`test_share` must lie in \(0, 1\), but got 0"),
        ({"test_share": "half"}, "but got 'half'"),
        ({"test_seed": -1}, "`test_seed` must be a whole number of at least 0"),
        ({"near_duplicates": "no"}, "`near_duplicates` must be true or false, but got 'no'"),
        ({"threshold": 0.5}, "`threshold` is for `attributes`, which are not given"),
        ({"threshold": "x", "attributes": "a.csv"}, "`threshold` must be a number, but got 'x'"),
        ({"dataset_name": 5}, "`dataset_name` must be a string, but got 5"),
        ({"attributes": 5}, "`attributes` must be a string, but got 5"),
        ({"dataset_name": "a b"}, "must be letters, digits, .* but got 'a b'"),
        ({"test_shares": 0.1}, "'test_shares' is no option of 'folder'.* Did you mean"),
    ],
)
def test_options_that_are_not_legal_are_refused(
    photos: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_archive("folder", photos, **options)
