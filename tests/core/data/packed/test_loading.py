"""A packed dataset as a dataset: its splits, its pixels, its errors, and what it does not copy."""

import pickle
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from core.config import ImageOptions
from core.data import Dataset, load_dataset
from core.data.archives import Archive
from core.data.contact_sheet import contact_sheet
from core.data.loader import BatchStream
from core.data.packed import Manifest, open_table, pack
from core.errors import ConfigError, DataError
from tests.core.data.packing import ATTRIBUTE_NAMES, CLASS_NAMES, make_archive

ROWS = 60
PLAIN = ImageOptions(resize_size=24, crop_size=16)
AUGMENTED = ImageOptions(resize_size=24, crop_size=16, augmentation="crop_flip")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return make_archive(tmp_path_factory.mktemp("archive"), ROWS, name="cub")


@pytest.fixture(scope="module")
def packed(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards."""
    out = tmp_path_factory.mktemp("packed") / "cub"
    pack(archive, out, rows_per_shard=25, num_workers=1)
    return out


def load(root: Path, images: ImageOptions = PLAIN, **changes: object) -> Dataset:
    return load_dataset("cub", data=root, images=images, **changes)  # type: ignore[arg-type]


def all_images(dataset: Dataset, seed: tuple[int, ...] | None = None) -> Tensor:
    rows = np.arange(len(dataset.train))
    return torch.cat(list(dataset.train.images.batches(np.array_split(rows, 5), seed=seed)))


def test_splits_are_those_of_the_archive(packed: Path, archive: Archive) -> None:
    dataset = load(packed)
    assert dataset.class_names == CLASS_NAMES
    assert dataset.attribute_names == ATTRIBUTE_NAMES
    assert dataset.image_shape == (3, 16, 16)
    test = np.flatnonzero(archive.is_test_N)
    assert np.array_equal(dataset.test.labels_N, archive.labels_N[test])
    assert np.array_equal(dataset.test.attributes_NA, archive.attributes_NA[test])
    # A tenth of the 45 training images, as evenly as it goes.
    assert np.bincount(dataset.minival.labels_N).tolist() == [2, 1, 1]
    assert len(dataset.train) + len(dataset.minival) == ROWS - len(test)


def test_objects_of_one_image_stay_on_one_side(tmp_path: Path) -> None:
    images = np.repeat(np.arange(ROWS), 3)
    archive = make_archive(
        tmp_path,
        len(images),
        name="cub",
        files=tuple(f"images/{image:03d}.{'png' if image % 3 == 2 else 'jpg'}" for image in images),
        is_test_N=images % 4 == 3,
        labels_N=images % 3,
    )
    pack(archive, tmp_path / "packed", num_workers=1)
    dataset = load(tmp_path / "packed")
    sides = [
        {image.numpy().tobytes() for image in next(split.images.batches([np.arange(len(split))]))}
        for split in (dataset.train, dataset.minival)
    ]
    assert len(dataset.minival) == 3 * len(sides[1]) > 0
    assert not sides[0] & sides[1]


def test_too_few_training_images_for_minival_are_refused(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, 4, name="cub", is_test_N=np.arange(4) == 3)
    pack(archive, tmp_path / "packed", num_workers=1)
    with pytest.raises(DataError, match="a tenth off for minival, but has 3"):
        load(tmp_path / "packed")


def test_the_split_seed_moves_minival_alone(packed: Path) -> None:
    one, other = load(packed), load(packed, split_seed=1)
    assert not torch.equal(all_images(one), all_images(other))
    ours, theirs = (
        next(dataset.test.images.batches([np.arange(len(dataset.test))]))
        for dataset in (one, other)
    )
    assert torch.equal(ours, theirs)


def test_pixels_are_torchvisions(packed: Path) -> None:
    dataset = load(packed)
    transform = v2.Compose([v2.PILToTensor(), v2.Resize(24), v2.CenterCrop(16)])
    table = open_table(packed)
    test = np.flatnonzero(table.column("is_test").to_numpy())
    (batch,) = dataset.test.images.batches([np.arange(len(test))])
    for image, row in zip(batch, test.tolist(), strict=True):
        content = table.column("image")[row].as_buffer()
        with Image.open(pa.BufferReader(content)) as opened:
            assert torch.equal(image, transform(opened))


def test_augmentation_depends_on_seed_epoch_and_row_alone(packed: Path) -> None:
    dataset = load(packed, AUGMENTED)
    rows = np.arange(len(dataset.train))
    together = all_images(dataset, seed=(3, 1))
    alone = torch.cat(list(dataset.train.images.batches(rows[::-1, None], seed=(3, 1)))).flip(0)
    assert torch.equal(together, alone)
    for seed in ((3, 2), (4, 1), None):
        assert not torch.equal(together, all_images(dataset, seed))
    assert torch.equal(all_images(dataset), all_images(load(packed, PLAIN), seed=(3, 1)))


def test_nothing_is_copied_and_nothing_decoded_when_loading(packed: Path) -> None:
    before = pa.total_allocated_bytes()
    dataset = load(packed)
    size = sum(shard.bytes for shard in Manifest.read(packed).shards)
    assert pa.total_allocated_bytes() - before < size / 20
    copy = pickle.dumps(dataset)
    all_images(dataset)  # the table is open now
    assert len(pickle.dumps(dataset)) == len(copy)
    labels_and_rows = (8 + 8 + len(ATTRIBUTE_NAMES)) * ROWS
    assert len(copy) < labels_and_rows + 4000
    assert torch.equal(all_images(pickle.loads(copy)), all_images(dataset))


def test_the_fingerprint_names_data_splits_and_sizes(packed: Path, tmp_path: Path) -> None:
    fingerprint = load(packed).fingerprint
    moved = tmp_path / "moved"
    packed.rename(moved)
    try:
        assert load(moved).fingerprint == fingerprint
        assert load(moved, split_seed=1).fingerprint != fingerprint
        assert load(moved, AUGMENTED).fingerprint != fingerprint
        damage(moved, 3)
        assert load(moved).fingerprint == fingerprint, "no image is read"
        damage(moved, 3)
    finally:
        moved.rename(packed)


def test_a_remote_set_is_copied_once(packed: Path, tmp_path: Path) -> None:
    dataset = load_dataset("cub", data=packed.as_uri(), images=PLAIN, cache_dir=tmp_path)
    assert dataset.fingerprint == load(packed).fingerprint


def damage(packed: Path, row: int) -> None:
    """Turn over a byte in the middle of a row's image; twice is none."""
    content = open_table(packed).column("image")[row].as_buffer().to_pybytes()
    for shard in sorted((packed / "shards").glob("*.arrow")):
        whole = bytearray(shard.read_bytes())
        start = whole.find(content)
        if start >= 0:
            whole[start + len(content) // 2] ^= 0xFF
            with shard.open("r+b") as file:
                file.write(whole)
            return
    raise LookupError(row)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_damaged_bytes_name_shard_and_row(
    archive: Archive, tmp_path: Path, num_workers: int
) -> None:
    out = tmp_path / "cub"
    pack(archive, out, rows_per_shard=25, num_workers=1)
    test = np.flatnonzero(archive.is_test_N)
    damage(out, int(test[-1]))
    dataset = load(out, loader_workers=num_workers)
    with pytest.raises(DataError) as caught:
        list(dataset.test.images.batches(np.arange(len(test))[:, None]))
    message = str(caught.value)
    assert f"Row {test[-1] - 50} of shards/shard-00002.arrow" in message
    assert f"({archive.files[test[-1]]}) is damaged: its bytes do not match" in message
    assert "Traceback" not in message
    assert "\n" not in message
    # What is whole can still be read.
    (first,) = dataset.test.images.batches([np.arange(3)])
    assert len(first) == 3


def test_an_image_that_is_none_names_shard_and_row(packed: Path, tmp_path: Path) -> None:
    for content, message in (
        (b"no image", r"it cannot be decoded \(cannot identify"),
        (bytes_of_size(5, 4), "it must have 40 x 30 pixels, but has 5 x 4"),
    ):
        out = replaced(packed, tmp_path / str(len(content)), content)
        with pytest.raises(DataError, match=f"Row 0 of shards/shard-00000.arrow .*: {message}"):
            all_images(load(out))


def test_an_image_too_large_for_one_piece_of_memory(tmp_path: Path) -> None:
    """Pillow keeps more than 16 MiB in pieces, which cannot be shared."""
    archive = make_archive(tmp_path, 9, name="cub")
    for row, file in enumerate(archive.files):
        if archive.is_test_N[row]:
            picture = Image.linear_gradient("L").resize((2100, 2110)).convert("RGB")
            picture.save(tmp_path / file)
    pack(archive, tmp_path / "cub", shorter_side=None, num_workers=1)
    (batch,) = load(tmp_path / "cub").test.images.batches([np.arange(2)])
    with Image.open(tmp_path / archive.files[3]) as image:
        small = v2.functional.resize(v2.functional.pil_to_tensor(image), [24], antialias=True)
    assert torch.equal(batch[0], v2.functional.center_crop(small, [16]))


def bytes_of_size(width: int, height: int) -> bytes:
    sink = pa.BufferOutputStream()
    Image.new("RGB", (width, height)).save(sink, "JPEG")
    return sink.getvalue().to_pybytes()


def replaced(packed: Path, out: Path, content: bytes) -> Path:
    """A packed dataset with other bytes in row 0, checksums and all."""
    manifest = Manifest.read(packed)
    table = open_table(packed)
    images = [content, *table.column("image").to_pylist()[1:]]
    checksums = [zlib.crc32(image) for image in images]
    for name, column in (("image", images), ("crc32", checksums)):
        place = table.schema.get_field_index(name)
        table = table.set_column(
            place, table.schema.field(place), pa.array(column, table.schema.field(place).type)
        )
    (out / "shards").mkdir(parents=True)
    file = out / manifest.shards[0].file
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    shard = manifest.shards[0]._replace(rows=ROWS, bytes=file.stat().st_size)
    (out / "manifest.json").write_bytes(replace(manifest, shards=(shard,)).to_json())
    return out


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": None}, ConfigError, "`resize_size` and `crop_size` must be given for 'cub'"),
        ({"data": None}, ConfigError, "`data` must say where 'cub' was packed.*core.data.pack cub"),
        ({"loader_workers": -1}, ConfigError, "`loader_workers` must be at least 0, but got -1"),
        ({"split_seed": -1}, ConfigError, "`split_seed` must be a whole number of at least 0"),
        ({"data": "no/such"}, DataError, "'no/such' is no folder"),
        (
            {"images": ImageOptions(resize_size=551, crop_size=448)},
            ConfigError,
            "`resize_size` must be at most 550, the size that .* was packed at, but got 551",
        ),
    ],
)
def test_what_cannot_be_loaded_is_refused(
    packed: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments = {"data": packed, "images": PLAIN} | changes
    with pytest.raises(error, match=message):
        load_dataset("cub", **arguments)  # type: ignore[arg-type]


def test_an_archive_that_is_not_packed_says_how_to_pack_it(archive: Archive) -> None:
    with pytest.raises(DataError) as caught:
        load(archive.root)
    assert f"python -m core.data.pack cub --root {archive.root} --output PATH" in str(caught.value)


def test_another_sets_pack_is_refused(packed: Path) -> None:
    with pytest.raises(DataError, match="must hold the packed dataset 'awa2', but holds 'cub'"):
        load_dataset("awa2", data=packed, images=PLAIN)


def test_a_pack_without_test_images_is_refused(tmp_path: Path) -> None:
    none = np.zeros(12, dtype=np.bool_)
    pack(make_archive(tmp_path, 12, name="cub", is_test_N=none), tmp_path / "cub", num_workers=1)
    with pytest.raises(DataError, match="but has no test one"):
        load(tmp_path / "cub")


def test_a_sheet_shows_decoded_images(packed: Path) -> None:
    dataset = load(packed)
    axes = contact_sheet(dataset, split="test").axes
    assert [one.get_title() for one in axes] == list(CLASS_NAMES)
    first = np.flatnonzero(dataset.test.labels_N == 0)[:1]
    (batch,) = dataset.test.images.batches([first])
    shown = axes[0].images[0].get_array()
    assert shown is not None
    assert np.array_equal(shown, batch[0].permute(1, 2, 0).numpy())


def test_batches_hold_images_and_labels_of_the_same_rows(packed: Path, archive: Archive) -> None:
    """Image and label of a batch belong to one row: every image shows its row's colours."""
    dataset = load(packed)
    whole = all_images(dataset)
    for batch in BatchStream(dataset.train, batch_size=8, seed=0).epoch(0):
        for image, label in zip(batch.images_BCHW, batch.labels_B, strict=True):
            (row,) = torch.nonzero((whole == image).flatten(1).all(1)).flatten().tolist()
            assert dataset.train.labels_N[row] == label
