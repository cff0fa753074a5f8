"""The contact sheet: what it shows, what it writes, what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import load_digits
from core.data.contact_sheet import contact_sheet, main
from core.errors import ConfigError


def test_every_class_is_shown_with_its_name_and_attributes() -> None:
    dataset = load_digits()
    figure = contact_sheet(dataset, split="minival", per_class=2, columns=4)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [name for name in dataset.class_names for _ in range(2)]
    captions = [axes.texts[0].get_text().replace("\n", " ") for axes in figure.axes]
    assert captions[0] == "one closed loop, no free end"
    shown = figure.axes[0].images[0].get_array()
    first_zero = np.flatnonzero(dataset.minival.labels_N == 0)[0]
    assert shown is not None
    assert np.array_equal(shown, dataset.minival.images_NCHW[first_zero, 0])


def test_pictures_do_not_overlap() -> None:
    boxes = [axes.get_position() for axes in contact_sheet(load_digits(), columns=3).axes]
    for i, box in enumerate(boxes):
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1
        for other in boxes[i + 1 :]:
            apart = box.x1 <= other.x0 or other.x1 <= box.x0
            assert apart or box.y1 <= other.y0 or other.y1 <= box.y0


@pytest.mark.parametrize(
    ("split", "per_class", "columns", "message"),
    [
        ("valid", 1, 6, "`split` must be one of 'train', 'minival', 'test', but got 'valid'"),
        ("train", 0, 6, "`per_class` must be at least 1, but got 0"),
        ("train", 1, 0, "`columns` must be at least 1, but got 0"),
        ("minival", 99, 6, "got 99, and 'zero' has 18 here"),
    ],
)
def test_refusals(split: str, per_class: int, columns: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        contact_sheet(load_digits(), split=split, per_class=per_class, columns=columns)


def test_the_command_writes_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sheet.png"
    assert main(["--dataset", "digits", "--columns", "5", "--output", str(out)]) == 0
    with Image.open(out) as sheet:
        assert sheet.width > sheet.height > 300
    assert capsys.readouterr().out == f"{out}: 10 images of digits\n"


@pytest.mark.parametrize(("name", "file"), [("field_guide", "sheet.svg"), ("kanji", "sheet.png")])
def test_the_command_draws_a_rendered_dataset_at_a_size(
    tmp_path: Path, name: str, file: str
) -> None:
    out = tmp_path / file
    arguments = ["--dataset", name, "--set", "image_size=16", "--cache-dir", str(tmp_path)]
    assert main([*arguments, "--output", str(out)]) == 0
    assert out.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "digit"], "Did you mean 'digits'?"),
        (
            ["--dataset", "digits", "--set", "image_size=64"],
            "`image_size` must be None for 'digits'",
        ),
        (["--dataset", "cub", "--set", "image_size=64"], "must be None where `resize_size` and"),
        (
            ["--dataset", "field_guide", "--set", "image_size=4"],
            "`image_size` must lie in [16, 512]",
        ),
        (
            ["--dataset", "field_guide", "--set", "image_size=16", "--data", "x"],
            "`data` must be None for 'field_guide'",
        ),
        (["--dataset", "digits", "--data", "x"], "`data` must be None"),
        (["--dataset", "digits", "--per-class", "0"], "`per_class` must be at least 1"),
        (["--dataset", "digits", "--columns", "few"], "invalid int value: 'few'"),
        (["--dataset", "digits", "--split", "valid"], "invalid choice: 'valid'"),
        (["--dataset", "digits", "--sedd", "1"], "unrecognized arguments: --sedd 1"),
        ([], "must be given by its name, such as 'digits', or a packed one by its place"),
    ],
)
def test_the_command_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    out = tmp_path / "sheet.png"
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--output", str(out)])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_the_command_refuses_places_it_cannot_write_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.png").mkdir()
    for out, message in (
        (tmp_path / "sheet.txt", "--output must end in .pdf, .png, .svg"),
        (tmp_path / "absent" / "sheet.png", "which is no folder: make it first"),
        (tmp_path / "folder.png", "Is a directory"),
    ):
        with pytest.raises(SystemExit):
            main(["--dataset", "digits", "--output", str(out)])
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
