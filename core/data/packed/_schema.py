"""The columns of a packed dataset.

Shape letter: A attributes.
"""

import pyarrow as pa

IMAGE, LABEL, IS_TEST, ATTRIBUTES = "image", "label", "is_test", "attributes"
FILE, ROW, HEIGHT, WIDTH = "file", "row", "height", "width"
CRC32 = "crc32"


def packed_schema(num_attributes: int) -> pa.Schema:
    """Columns of every shard of a dataset with that many attributes.

    Examples
    --------
    >>> packed_schema(312).field("attributes").type.list_size
    312
    """
    return pa.schema(
        [
            pa.field(IMAGE, pa.large_binary(), nullable=False),
            pa.field(LABEL, pa.int32(), nullable=False),
            pa.field(IS_TEST, pa.bool_(), nullable=False),
            pa.field(ATTRIBUTES, pa.list_(pa.bool_(), num_attributes), nullable=False),
            pa.field(FILE, pa.string(), nullable=False),
            pa.field(ROW, pa.int64(), nullable=False),
            pa.field(HEIGHT, pa.int32(), nullable=False),
            pa.field(WIDTH, pa.int32(), nullable=False),
            # Of the image's bytes: a damaged JPEG often decodes without an error.
            pa.field(CRC32, pa.uint32(), nullable=False),
        ]
    )
