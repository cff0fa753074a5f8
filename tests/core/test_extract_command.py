"""`python -m core.extract`: what it writes for a folder of pictures, and what it refuses."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from core.errors import DataError
from core.evaluation import evaluate
from core.extract import find_pictures, main
from core.extractor import (
    AttributeExtractor,
    TrainedExtractor,
    attribute_matches,
    binarize,
    load_picture,
)
from core.methods import create_state
from core.training import fit
from tests.core.small import small_config, small_dataset

NAMES = ("x", "file", "z")
"""The second is the name of a column that every table has."""


@pytest.fixture(scope="module")
def trained() -> TrainedExtractor:
    dataset = small_dataset()
    config = small_config()
    state = create_state(config, in_channels=1, num_classes=4)
    for _ in fit(state, dataset):
        pass
    assert state.tree is not None
    measured = evaluate(state.model, state.tree, dataset).fidelity
    return TrainedExtractor(
        config=config,
        model=state.model,
        tree=state.tree,
        classes=np.array(dataset.class_names),
        input_shape=dataset.image_shape,
        matches=attribute_matches(measured, NAMES),
    )


@pytest.fixture
def model(trained: TrainedExtractor, tmp_path: Path) -> Path:
    trained.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six of the test images as files, in folders."""
    folder = tmp_path / "pictures"
    images = small_dataset().test.images_NCHW
    for index, name in enumerate(["b.png", "a/2.BMP", "a/1.tif", "c/d/e.png", "Z.pgm", "a.png"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index, 0]).save(path)
    (folder / "notes.txt").write_text("no picture")
    return folder


ORDER = {"Z.pgm": 4, "a.png": 5, "a/1.tif": 2, "a/2.BMP": 1, "b.png": 0, "c/d/e.png": 3}
"""Files as sorted, each with its image."""


@pytest.mark.parametrize("batch_size", ["1", "4", "100"])
def test_the_table_holds_what_the_extractor_says(
    model: Path,
    pictures: Path,
    tmp_path: Path,
    batch_size: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "features.parquet"
    assert main([str(model), str(pictures), "--output", str(out), "--batch-size", batch_size]) == 0
    written = capsys.readouterr()
    assert written.out == f"{out}: 6 pictures, 0 unreadable\n"
    assert written.err == ""
    table = pq.read_table(out)
    extractor = AttributeExtractor.load(model)
    images = small_dataset().test.images_NCHW[list(ORDER.values())]
    said = extractor.extract(images)
    assert table["file"].to_pylist() == list(ORDER)
    assert np.array_equal(np.array(table["levels"].to_pylist()), said.levels_ND)
    assert str(table.schema.field("levels").type) == "list<element: uint8>"
    holds = dict(
        zip(
            extractor.matched_attribute_names(), extractor.matched_attributes(images).T, strict=True
        )
    )
    assert set(holds) == set(NAMES)
    for column, name in (("x", "x"), ("attribute file", "file"), ("z", "z")):
        assert np.array_equal(table[column].to_numpy(), holds[name])
    assert table["net_class"].to_pylist() == extractor.predict(images).tolist()
    assert table["tree_class"].to_pylist() == extractor.tree_predict(images).tolist()
    assert table["reason"].to_pylist() == said.reasons
    np.testing.assert_allclose(
        table["net_probability"].to_numpy(), said.probabilities_NK.max(1), rtol=1e-5
    )
    assert np.array_equal(table["tree_probability"].to_numpy(), said.tree_probabilities_NK.max(1))
    assert len(table.column_names) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("features.parquet", "model", "pictures")
    ]


def test_without_matches_b_of_v_is_a_list(
    trained: TrainedExtractor, pictures: Path, tmp_path: Path
) -> None:
    dataclasses.replace(trained, matches=()).save(tmp_path / "bare")
    out = tmp_path / "features.parquet"
    assert main([str(tmp_path / "bare"), str(pictures), "--output", str(out)]) == 0
    table = pq.read_table(out)
    levels_ND = np.array(table["levels"].to_pylist(), dtype=np.uint8)
    bits_NC = np.array(table["attributes"].to_pylist())
    assert np.array_equal(bits_NC, binarize(levels_ND, num_levels=8))
    assert not {"x", "z"} & set(table.column_names)


@pytest.mark.parametrize("has_matches", [True, False])
def test_csv_says_what_parquet_says(
    trained: TrainedExtractor, pictures: Path, tmp_path: Path, has_matches: bool
) -> None:
    matches = trained.matches if has_matches else ()
    dataclasses.replace(trained, matches=matches).save(tmp_path / "either")
    arguments = [str(tmp_path / "either"), str(pictures), "--batch-size", "4", "--output"]
    for name in ("features.parquet", "features.csv"):
        assert main([*arguments, str(tmp_path / name)]) == 0
    in_parquet = pq.read_table(tmp_path / "features.parquet")
    in_csv = pa.csv.read_csv(tmp_path / "features.csv")
    levels_ND = np.array(in_parquet["levels"].to_pylist())
    names = [f"feature_{index}" for index in range(levels_ND.shape[1])]
    assert np.array_equal(np.stack([in_csv[name].to_numpy() for name in names], 1), levels_ND)
    shared = [name for name in in_parquet.column_names if name not in ("levels", "attributes")]
    assert in_csv.column_names == [shared[0], *names, *shared[1:]]
    for name in shared:
        assert in_csv[name].to_pylist() == in_parquet[name].to_pylist(), name
    assert ("x" in shared) == has_matches


def test_unreadable_pictures_are_named_and_the_rest_written(
    model: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (pictures / "b.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) - 30])
    (pictures / "empty.jpg").write_bytes(b"")
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(pictures / "float.tiff")
    out = tmp_path / "features.parquet"
    assert main([str(model), str(pictures), "--output", str(out), "--batch-size", "3"]) == 1
    written = capsys.readouterr()
    assert written.out == f"{out}: 6 pictures, 3 unreadable\n"
    lines = written.err.splitlines()
    assert len(lines) == 3
    for line, name in zip(lines, ("cut.png", "empty.jpg", "float.tiff"), strict=True):
        assert f"{name}' cannot be read as a picture: " in line
    assert pq.read_table(out)["file"].to_pylist() == list(ORDER)


def test_a_folder_of_nothing_readable_gives_an_empty_table(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"x")
    out = tmp_path / "features.parquet"
    assert main([str(model), str(tmp_path / "bad"), "--output", str(out)]) == 1
    assert pq.read_table(out).num_rows == 0
    assert "0 pictures, 1 unreadable" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["absent", "pictures", "--output", "o.parquet"],
            "'absent' is no folder: give a folder that",
        ),
        (["pictures", "pictures", "--output", "o.parquet"], "'pictures' lacks extractor.json, "),
        (["model", "absent", "--output", "o.parquet"], "'absent' is no folder: give the one that"),
        (["model", "model", "--output", "o.parquet"], "'model' holds no picture: looked below it"),
        (
            ["model", "pictures", "--output", "o.xlsx"],
            "--output must end in .parquet or .csv, but got 'o.xlsx'",
        ),
        (
            ["model", "pictures", "--output", "no/o.parquet"],
            "--output lies in 'no', which is no folder",
        ),
        (
            ["model", "pictures", "--output", "d.parquet"],
            "--output must be a file, but 'd.parquet' is a",
        ),
        (["model", "pictures"], "required: --output"),
        (["model", "--output", "o.parquet"], "required: IMAGES_DIR"),
        (
            ["model", "pictures", "--output", "o.parquet", "--bach-size", "2"],
            "unrecognized arguments",
        ),
        (
            ["model", "pictures", "--output", "o.parquet", "--batch-size", "0"],
            "--batch-size must be at least 1, but got 0",
        ),
        (
            ["model", "pictures", "--output", "o.parquet", "--device", "abacus"],
            "--device must be one that torch can use here, but got 'abacus'",
        ),
        (
            ["vectors", "pictures", "--output", "o.parquet"],
            "must take images of 1 or 3 channels, but was trained on inputs of shape (4, 1, 1)",
        ),
    ],
)
@pytest.mark.usefixtures("model", "pictures")
def test_refused_in_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.parquet").mkdir()
    if arguments[0] == "vectors":
        rng = np.random.default_rng(0)
        vectors = AttributeExtractor(feature_dim=4, num_epochs=1)
        vectors.fit(rng.random((20, 4)), np.arange(20) % 2).save("vectors")
    before = sorted(Path().rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert error.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


def test_help_says_what_comes_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for word in ("MODEL_DIR", "IMAGES_DIR", "--output FILE", "--batch-size N", "--device", ".jpeg"):
        assert word in shown


def test_pictures_are_fitted_to_the_shape(tmp_path: Path) -> None:
    """A wide picture loses its sides, a high one its top and bottom, none its proportions."""
    wide = np.zeros((20, 60, 3), dtype=np.uint8)
    wide[:, 20:40] = (200, 100, 50)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "high.png")
    for name in ("wide.png", "high.png"):
        picture = load_picture(tmp_path / name, (3, 10, 10))
        assert picture.shape == (3, 10, 10)
        assert picture.dtype == np.uint8
        assert [int(channel[5, 5]) for channel in picture] == [200, 100, 50]
        assert abs(picture.astype(int) - [[[200]], [[100]], [[50]]]).max() < 20
    grey = load_picture(tmp_path / "wide.png", (1, 10, 30))
    assert grey.shape == (1, 10, 30)
    assert grey[0, 5].tolist() == [*[0] * 9, *grey[0, 5, 9:21].tolist(), *[0] * 9]
    assert int(grey[0, 5, 15]) == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


def test_a_picture_of_the_trained_size_is_taken_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(load_picture(tmp_path / "a.png", (3, 7, 9)), pixels.transpose(2, 0, 1))


def test_odd_modes_and_orientation(tmp_path: Path) -> None:
    ramp = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    expected = np.arange(256).reshape(1, 16, 16)
    assert np.array_equal(load_picture(tmp_path / "deep.png", (1, 16, 16)), expected)
    palette = Image.fromarray(np.uint8(expected[0])).convert("P")
    palette.save(tmp_path / "palette.png", transparency=bytes(range(256)))
    found = load_picture(tmp_path / "palette.png", (1, 16, 16))
    on_white = 255 - expected * (255 - expected) / 255
    assert np.abs(found - on_white).max() <= 1, "as packing does it"
    turned = Image.Exif()
    turned[0x0112] = 3  # the camera was upside down
    Image.fromarray(np.uint8(expected[0])).save(tmp_path / "turned.png", exif=turned)
    found = load_picture(tmp_path / "turned.png", (1, 16, 16))
    assert np.array_equal(found, expected[:, ::-1, ::-1])
    with pytest.raises(DataError, match="1 or 3 channels, but the network takes 4"):
        load_picture(tmp_path / "deep.png", (4, 16, 16))


def test_files_come_sorted_by_their_path_below_the_folder(pictures: Path) -> None:
    found = [path.relative_to(pictures).as_posix() for path in find_pictures(pictures)]
    assert found == list(ORDER)


def test_a_picture_is_resized_and_cut_as_evaluation_does_it(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    evaluated = v2.Compose([v2.Resize(20, antialias=True), v2.CenterCrop(16)])
    expected = evaluated(torch.from_numpy(pixels).permute(2, 0, 1)).numpy()
    assert np.array_equal(load_picture(tmp_path / "a.png", (3, 16, 16), resize_size=20), expected)
