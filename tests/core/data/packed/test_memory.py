"""Memory does not grow with what is packed."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.core.data.helpers import in_new_process, output_of

COMMENT = 65_000
"""Bytes of one comment; a JPEG allows 65,533."""

CODE = """
from dataclasses import replace
from pathlib import Path
import numpy as np
from core.data.packed import pack
from tests.core.data.packing import make_archive


def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


few = make_archive(Path({root!r}) / "few", rows=8)
pack(few, {root!r} + "/warm", num_workers=2)  # every module is imported by now
files = tuple(f"{{row % 4}}.jpg" for row in range({rows}))
archive = replace(
    few,
    root=Path({root!r}),
    files=files,
    labels_N=np.zeros(len(files), dtype=np.int64),
    is_test_N=np.zeros(len(files), dtype=bool),
    attributes_NA=np.zeros((len(files), 4), dtype=bool),
)
before = peak()
manifest = pack(archive, {root!r} + "/out", shorter_side=None, num_workers=2)
print(len(manifest.shards), manifest.num_bytes, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_a_shard_far_larger_than_what_is_held_is_packed(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (60, 40), "teal").save(picture, "JPEG")
    # Comments make a file large that is quick to decode: kept as it is, it is stored whole.
    comment = b"\xff\xfe" + (2 + COMMENT).to_bytes(2, "big") + b"x" * COMMENT
    content = picture.getvalue()[:2] + 16 * comment + picture.getvalue()[2:]
    for index in range(4):
        (tmp_path / f"{index}.jpg").write_bytes(content)
    process = in_new_process(CODE.format(root=str(tmp_path), rows=300))
    num_shards, num_bytes, growth = map(int, output_of(process).split())
    assert num_shards == 1
    assert num_bytes > 300e6
    assert growth < 200e6  # as much for twice the rows
