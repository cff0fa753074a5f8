"""Pictures of one's own, packed by the command and loaded by their place."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.config import ImageOptions, TrainConfig
from core.data import dataset_name, dataset_preset, load_dataset
from core.data.contact_sheet import main as contact_sheet
from core.data.describe import main as describe
from core.data.pack import main
from core.data.packed import Manifest, open_table
from core.errors import ConfigError, DataError
from tests.core.data.own_pictures import FONTS, letter_folder, photograph_folder, save, tiles

SIZES = ImageOptions(resize_size=32, crop_size=32)


def pack(reader: str, root: Path, out: Path, *more: str) -> int:
    arguments = [reader, "--root", str(root), "--output", str(out), "--workers", "1", *more]
    return main(arguments)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six letters of 18 fonts."""
    return letter_folder(tmp_path_factory.mktemp("own") / "letters", "ABKRSX")


@pytest.fixture(scope="module")
def packed(letters: Path) -> Path:
    assert pack("folder", letters, letters.parent / "packed") == 0
    return letters.parent / "packed"


def pixels_of(path: Path, file: str) -> np.ndarray:
    table = open_table(path)
    row = table["file"].to_pylist().index(file)
    with Image.open(io.BytesIO(table["image"][row].as_py())) as image:
        return np.asarray(image).astype(int)


def test_a_packed_folder_is_loaded_by_its_place(packed: Path) -> None:
    manifest = Manifest.read(packed)
    assert (manifest.name, manifest.attribute_names) == ("letters", ())
    assert manifest.has_groups
    assert "attributes" not in open_table(packed).schema.names
    assert dataset_name(None, packed) == "letters"
    dataset = load_dataset(data=packed, images=SIZES)
    assert dataset.name == "letters"
    assert dataset.class_names == tuple("ABKRSX")
    assert [len(split) for _, split in dataset.splits()] == [67, 8, 33]
    assert all(split.attributes_NA.shape == (len(split), 0) for _, split in dataset.splits())
    assert dataset.fingerprint == load_dataset("letters", data=packed, images=SIZES).fingerprint


def test_groups_stay_whole_when_minival_is_cut(tmp_path: Path) -> None:
    root = photograph_folder(tmp_path / "photos")
    for number, tile in enumerate(tiles("china")):
        tile.save(root / "china" / f"again {number:03d}.png")
    assert pack("folder", root, tmp_path / "packed") == 0
    groups_N = open_table(tmp_path / "packed")["group"].to_numpy()
    assert len(np.unique(groups_N)) == 48
    for seed in range(3):
        dataset = load_dataset(data=tmp_path / "packed", images=SIZES, split_seed=seed)
        # The identity of a split's images ends with the rows that it holds.
        rows = [np.frombuffer(s.images.identity().content, np.int64) for _, s in dataset.splits()]
        sides = [set(groups_N[of_split].tolist()) for of_split in rows]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 48
        assert len(sides[1]) > 2


def test_a_name_must_be_that_of_the_manifest(packed: Path) -> None:
    with pytest.raises(
        DataError, match="must hold the packed dataset 'words', but holds 'letters'"
    ):
        load_dataset("words", data=packed, images=SIZES)
    with pytest.raises(ConfigError, match=r"'letters' is none of 'digits', .* One of your own"):
        load_dataset("letters", images=SIZES)
    with pytest.raises(ConfigError, match="must be given by its name, such as 'digits', or"):
        load_dataset()
    with pytest.raises(ConfigError, match=r"name of a data set must be letters.*got '../x'"):
        load_dataset("../x", data=packed, images=SIZES)
    with pytest.raises(ConfigError, match="`resize_size` and `crop_size` must be given for 'lett"):
        load_dataset(data=packed)


def test_the_preset_follows_classes_and_sizes(packed: Path) -> None:
    preset = dataset_preset("letters", packed)
    assert (preset["resize_size"], preset["crop_size"], preset["max_depth"]) == (32, 32, 3)
    assert preset["num_epochs"] == 120, "few pictures, more epochs"
    config = TrainConfig().replace({"dataset": "letters", **preset})
    assert TrainConfig.from_dict(config.to_dict()) == config
    renamed = config.replace({"dataset": "words"})
    assert config.hash != renamed.hash


def test_it_can_be_looked_at(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert describe([str(packed), "--sheet", str(tmp_path / "sheet.png")]) == 0
    shown = capsys.readouterr().out
    assert "6 classes, no attributes, so runs on it have no fidelity" in shown
    assert "floor" not in shown
    assert contact_sheet(["--data", str(packed), "--output", str(tmp_path / "page.png")]) == 0
    assert "6 images of letters" in capsys.readouterr().out


def test_attributes_of_pictures_and_classes(letters: Path, tmp_path: Path) -> None:
    rows = [f"{name}/{font}.png,{int('Serif' in font)}" for name in "ABKRSX" for font in FONTS]
    (tmp_path / "serif.csv").write_text("\n".join(["file,serif", *rows]))
    option = f"attributes={tmp_path / 'serif.csv'}"
    out = tmp_path / "out"
    assert pack("folder", letters, out, "--option", option, "--name", "serifs") == 0
    manifest = Manifest.read(out)
    assert (manifest.name, manifest.attribute_names) == ("serifs", ("serif",))
    dataset = load_dataset(data=out, images=SIZES)
    assert dataset.test.attributes_NA.any()
    assert manifest.options == {
        "dataset_name": "serifs",
        "attributes": str(tmp_path / "serif.csv"),
    }


def test_attributes_that_a_split_lacks_are_refused_before_training(
    letters: Path, packed: Path, tmp_path: Path
) -> None:
    """A single picture of the training part is not in both train and minival."""
    table = open_table(packed)
    is_test = table["is_test"].to_pylist()
    some = [table["file"][is_test.index(of_test)].as_py() for of_test in (False, True)]
    (tmp_path / "few.csv").write_text("".join(["file,rare\n", *(f"{file},1\n" for file in some)]))
    option = f"--option=attributes={tmp_path / 'few.csv'}"
    assert pack("folder", letters, tmp_path / "out", option) == 0
    with pytest.raises(DataError, match=r"none of the 1 of .* occurs in \w+. Choose another `spl"):
        load_dataset(data=tmp_path / "out", images=SIZES)


def test_parquet_is_packed_as_the_files_it_was_made_of(
    letters: Path, packed: Path, tmp_path: Path
) -> None:
    files = sorted(letters.rglob("*.png"))
    names = sorted({file.parent.name for file in files})
    table = pa.table(
        {
            "image": [
                {"bytes": file.read_bytes(), "path": str(file.relative_to(letters))}
                for file in files
            ],
            "label": [names.index(file.parent.name) for file in files],
        }
    ).replace_schema_metadata(
        {
            "huggingface": json.dumps(
                {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
            )
        }
    )
    pq.write_table(table, tmp_path / "letters.parquet", row_group_size=10)
    assert pack("parquet", tmp_path / "letters.parquet", tmp_path / "out") == 0
    assert open_table(tmp_path / "out").equals(open_table(packed))
    assert Manifest.read(tmp_path / "out").fingerprint == Manifest.read(packed).fingerprint
    command = ["parquet", "--root", str(tmp_path / "letters.parquet"), "--workers", "2"]
    assert main([*command, "--output", str(tmp_path / "two")]) == 0
    assert Manifest.read(tmp_path / "two").fingerprint == Manifest.read(packed).fingerprint


def test_every_odd_picture_has_a_rule(
    letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = photograph_folder(tmp_path / "photos")
    whole = next(tiles("flower"))
    odd = root / "odd ones"
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"):
        suffix = "tif" if mode in ("CMYK", "YCbCr", "LA") else "png"
        save(whole.convert(mode), odd / f"{mode}.{suffix}")
    save(Image.new("RGBA", (20, 20), (255, 0, 0, 0)), odd / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    whole.resize((60, 40)).save(odd / "turned.jpg", exif=exif)
    save(Image.fromarray(np.full((20, 20), 40000, np.uint16)), odd / "deep.png")
    (odd / "cut.jpg").write_bytes((root / "china" / "001.jpg").read_bytes()[:900])
    (odd / "text.png").write_text("no picture")
    (odd / "empty.gif").write_bytes(b"")
    huge = Image.new("1", (20000, 10000))
    huge.save(odd / "huge.png")
    frames = [whole.resize((30, 30)), Image.new("RGB", (30, 30), "red")]
    frames[0].save(odd / "moving.gif", save_all=True, append_images=frames[1:])

    with pytest.raises(SystemExit):
        pack("folder", root, tmp_path / "out")
    assert "At most 0.01 of the 63 images may be unreadable" in capsys.readouterr().err
    assert pack("folder", root, tmp_path / "out", "--max-unreadable", "0.1") == 0
    assert "5 unreadable" in capsys.readouterr().out
    manifest = Manifest.read(tmp_path / "out")
    reasons = {Path(skipped.file).name: skipped.reason for skipped in manifest.skipped}
    assert reasons.keys() == {"deep.png", "cut.jpg", "text.png", "empty.gif", "huge.png"}
    assert reasons["deep.png"] == "it has more than eight bits a channel (mode I;16)"
    assert "truncated" in reasons["cut.jpg"]
    assert reasons["text.png"] == "its content is no image of a known format"
    assert reasons["empty.gif"] == reasons["text.png"]
    assert "200000000 pixels" in reasons["huge.png"]

    assert (pixels_of(tmp_path / "out", "odd ones/clear.png") > 250).all(), "white, not red"
    assert pixels_of(tmp_path / "out", "odd ones/turned.jpg").shape == (60, 40, 3)
    first = pixels_of(tmp_path / "out", "odd ones/moving.gif")
    assert np.abs(first - np.asarray(frames[0]).astype(int)).mean() < 12, "the first frame"
    grey = np.asarray(whole.convert("L")).astype(int)
    for mode in ("L", "LA"):
        found = pixels_of(tmp_path / "out", f"odd ones/{mode}.{'png' if mode == 'L' else 'tif'}")
        assert np.abs(found - grey[:, :, None]).mean() < 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--name", "digits"], "must have a name of its own, but 'digits' is one of digits, "),
        (["--name", "a/b"], "must be letters, digits, '_', '-' and '.', .* but got 'a/b'"),
        (["--option", "test_share=2"], r"`test_share` must lie in (0, 1), but got 2"),
        (["--option", "attributes=gone.csv"], "must be a file, but 'gone.csv' is none"),
        (["--option", "shares=2"], "'shares' is no option of 'folder', which has 'dataset_name'"),
    ],
)
def test_what_cannot_be_packed_is_refused_in_one_line(
    letters: Path,
    tmp_path: Path,
    more: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        pack("folder", letters, tmp_path / "out", *more)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert all(part in error for part in message.split(" .* "))
    assert not (tmp_path / "out").exists()


def test_a_name_is_for_pictures_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        pack("awa2", tmp_path, tmp_path / "out", "--name", "x")
    assert "--name is for folder and parquet, but 'awa2' has its own" in capsys.readouterr().err
