"""Pictures of one's own: readers of class folders and of Hugging Face's Parquet files."""

from core.data.archives.own._folder import read_folder
from core.data.archives.own._parquet import read_parquet

__all__ = ["read_folder", "read_parquet"]
