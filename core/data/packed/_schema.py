"""The columns of a packed dataset.

Shape letter: A attributes.
"""

import pyarrow as pa

IMAGE, LABEL, IS_TEST, ATTRIBUTES = "image", "label", "is_test", "attributes"
FILE, ROW, HEIGHT, WIDTH = "file", "row", "height", "width"
CRC32, GROUP = "crc32", "group"

OPTIONAL = (ATTRIBUTES, GROUP)
"""Columns that not every dataset has."""


def packed_schema(num_attributes: int, *, has_groups: bool = False) -> pa.Schema:
    """Columns of every shard of a dataset with that many attributes.

    Without attributes there is no such column, and one of groups is there where a reader gave them.

    Examples
    --------
    >>> packed_schema(312).field("attributes").type.list_size
    312
    >>> "attributes" in packed_schema(0).names
    False
    """
    attributes = pa.field(ATTRIBUTES, pa.list_(pa.bool_(), num_attributes), nullable=False)
    return pa.schema(
        [
            pa.field(IMAGE, pa.large_binary(), nullable=False),
            pa.field(LABEL, pa.int32(), nullable=False),
            pa.field(IS_TEST, pa.bool_(), nullable=False),
            *((attributes,) if num_attributes else ()),
            pa.field(FILE, pa.string(), nullable=False),
            pa.field(ROW, pa.int64(), nullable=False),
            pa.field(HEIGHT, pa.int32(), nullable=False),
            pa.field(WIDTH, pa.int32(), nullable=False),
            # Of the image's bytes: a damaged JPEG often decodes without an error.
            pa.field(CRC32, pa.uint32(), nullable=False),
            *((pa.field(GROUP, pa.int64(), nullable=False),) if has_groups else ()),
        ]
    )
