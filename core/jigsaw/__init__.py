"""Jigsaw pretraining from a config to a file of weights."""

from core.jigsaw._file import pretrain_to_file

__all__ = ["pretrain_to_file"]
