"""Parquet files as Hugging Face's library writes them."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.archives import Archive, read_parquet
from core.errors import ConfigError, DataError
from tests.core.data.own_pictures import FONTS, letter

NAMES = ("R", "S", "never", "Q")
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def metadata(label: Any) -> dict[str, str]:
    features = {"image": {"_type": "Image"}, "label": label}
    return {"huggingface": json.dumps({"info": {"features": features}})}


CLASS_LABEL = metadata({"names": list(NAMES), "_type": "ClassLabel"})


def write(
    path: Path,
    labels: Sequence[Any],
    *,
    fonts: Sequence[str] = FONTS,
    kind: pa.DataType | None = None,
    schema_metadata: dict[str, str] | None = CLASS_LABEL,
    with_paths: bool = True,
    **columns: Any,
) -> Path:
    """A row for each label, a letter of the class in a font of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [str(NAMES[label] if label in (0, 1, 3) else label or "?") for label in labels]
    images = [
        {
            "bytes": png(letter(name[0], font)),
            "path": f"{path.stem}_{font}.png" if with_paths else None,
        }
        for name, font in zip(names, fonts, strict=False)
    ]
    table = pa.table(
        {
            "image": pa.array(images, IMAGE),
            "label": pa.array(labels, kind or pa.int64()),
            "idx": list(range(len(images))),
            **columns,
        }
    ).replace_schema_metadata(schema_metadata)
    pq.write_table(table, path, row_group_size=4)
    return path


LABELS = [0, 1, 3] * 6


def check_pictures(archive: Archive, fonts: Sequence[str] = FONTS) -> None:
    """Every row has the picture of its class, in whatever order rows are asked for."""
    assert archive.contents is not None
    rows = np.random.default_rng(0).permutation(len(archive)).tolist()
    for row, content in zip(rows, archive.contents.read(rows), strict=True):
        name = archive.class_names[archive.labels_N[row]]
        assert content in {png(letter(name, font)) for font in fonts}


def test_files_with_parts_names_and_paths(tmp_path: Path) -> None:
    root = tmp_path / "letters" / "data"
    write(root / "train-00000-of-00002.parquet", LABELS)
    write(root / "train-00001-of-00002.parquet", [1, 0])
    write(root / "test-00000-of-00001.parquet", [0, 1, 3, 3])
    archive = read_parquet(root, dataset_name="letters", near_duplicates=False)
    assert archive.name == "letters"
    assert archive.class_names == ("R", "S", "Q"), "those that occur, in the metadata's order"
    assert len(archive) == 24
    assert archive.is_test_N.tolist() == [*[True] * 4, *[False] * 20]
    assert archive.files[0] == f"test-00000-of-00001_{FONTS[0]}.png"
    assert [archive.class_names[label] for label in archive.labels_N[:4]] == ["R", "S", "Q", "Q"]
    check_pictures(archive)


def test_one_file_without_parts_is_cut(tmp_path: Path) -> None:
    archive = read_parquet(write(tmp_path / "letters.parquet", LABELS))
    assert archive.name == "letters"
    assert archive.is_test_N.sum() == 6
    assert np.bincount(archive.labels_N[archive.is_test_N]).tolist() == [2, 2, 2]
    check_pictures(archive)


def test_strings_and_plain_bytes(tmp_path: Path) -> None:
    table = pa.table(
        {
            "picture": [png(letter(name, font)) for font in FONTS for name in "SR"],
            "kind": pa.array(["S", "R"] * len(FONTS)).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=5)
    archive = read_parquet(tmp_path, image_column="picture", label_column="kind")
    assert archive.class_names == ("R", "S")
    assert archive.files[3] == "train.parquet#3"
    assert archive.is_test_N.any(), "training files alone are cut"
    check_pictures(archive)


def test_integers_without_names_are_classes_by_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [10, 9, 2] * 5, schema_metadata=None, with_paths=False)
    archive = read_parquet(path, near_duplicates=False)
    assert archive.class_names == ("2", "9", "10")
    assert archive.files[-1] == "a.parquet#14"


def test_near_duplicates_are_found_over_files(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", LABELS)
    write(tmp_path / "test.parquet", [0, 1])
    archive = read_parquet(tmp_path)
    (warning,) = (text for text in archive.warnings if text.startswith("Test pictures"))
    assert "(2): test_DejaVuSans.png, test_DejaVuSans-Bold.png" in warning


def test_rows_without_a_label_are_left_out_and_pictures_stay_with_theirs(tmp_path: Path) -> None:
    labels = [None, 1, -1, 0, 0, 1, 3, 3, 1, None]
    archive = read_parquet(write(tmp_path / "a.parquet", labels), near_duplicates=False)
    assert len(archive) == 7
    assert archive.warnings[0].startswith("Pictures without a label are left out (3): ")
    check_pictures(archive)


def test_an_empty_label_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", ["R", "", "S", "R", "S"], kind=pa.string())
    archive = read_parquet(path, near_duplicates=False)
    assert archive.class_names == ("R", "S")
    assert len(archive) == 4


def test_columns_are_named_by_strings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`label_column` must be a string, but got 5"):
        read_parquet(tmp_path, label_column=5)  # type: ignore[arg-type]


def test_attributes_by_path_and_by_class(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", LABELS)
    rows = "".join(f"a_{font}.png,{int('Serif' in font)}\n" for font in FONTS)
    (tmp_path / "serif.csv").write_text(f"file_name,serif\n{rows}")
    archive = read_parquet(path, attributes=str(tmp_path / "serif.csv"), near_duplicates=False)
    assert archive.attribute_names == ("serif",)
    assert archive.attributes_NA[:, 0].tolist() == ["Serif" in font for font in FONTS]
    (tmp_path / "class.csv").write_text("label,curved\nR,0\nS,1\nQ,1\n")
    archive = read_parquet(path, attributes=str(tmp_path / "class.csv"), near_duplicates=False)
    assert archive.attributes_per_class
    assert archive.attributes_NA[:3, 0].tolist() == [False, True, True]


def test_attributes_that_a_part_lacks_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", LABELS)
    write(tmp_path / "test.parquet", [0, 1])
    (tmp_path / "class.csv").write_text("label,tail\nR,0\nS,0\nQ,1\n")
    with pytest.raises(DataError, match=r"must occur in the test part, but none does"):
        read_parquet(tmp_path, attributes=str(tmp_path / "class.csv"), near_duplicates=False)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"label_column": "labels"}, "'labels', but has image, label, idx. .*mean 'label'"),
        ({}, {"image_column": "idx"}, "'idx' of 'a.parquet' must hold pictures, .* holds int64"),
        ({"labels": [0, 1, 4]}, {}, r"must lie in \[0, 4\).* but one is 4"),
        ({"kind": pa.float64()}, {}, "must hold integers or strings, but holds double"),
        ({"labels": [None, None]}, {}, "must have rows with a label, but has none"),
        ({"labels": [1, 1]}, {}, "at least two classes, but there is 'S' alone"),
        ({"schema_metadata": {"huggingface": "{"}}, {}, "'huggingface' of 'a.parquet' must be as"),
    ],
)
def test_files_that_cannot_be_understood_are_refused(
    tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    write(tmp_path / "a.parquet", **{"labels": LABELS, **changes})
    with pytest.raises(DataError, match=message):
        read_parquet(tmp_path / "a.parquet", **options)


def test_labels_that_differ_in_case_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["Heron", "heron"] * 4, kind=pa.string())
    with pytest.raises(DataError, match="The labels must differ in more than case"):
        read_parquet(tmp_path)


def test_files_of_different_kinds_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", LABELS)
    write(tmp_path / "b.parquet", LABELS, schema_metadata=None)
    with pytest.raises(DataError, match=r"those of 'a.parquet' and 'b.parquet' differ"):
        read_parquet(tmp_path)


def test_files_of_no_part_beside_parts_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", LABELS)
    write(tmp_path / "test" / "0000.parquet", LABELS)
    assert read_parquet(tmp_path, near_duplicates=False).is_test_N.sum() == 18
    write(tmp_path / "extra.parquet", LABELS)
    with pytest.raises(DataError, match=r"'extra.parquet' is of none: let its name begin"):
        read_parquet(tmp_path)


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be a Parquet file or a folder of some"):
        read_parquet(tmp_path / "none")
    with pytest.raises(DataError, match=r"must hold .parquet files, but has none below it"):
        read_parquet(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a.parquet' cannot be read as Parquet"):
        read_parquet(tmp_path)
