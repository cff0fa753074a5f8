"""Encoded images to batches of tensors: resized, cropped, in this process or in workers."""

from core.data.decoding._crops import centre_crop, random_crop, resized_shape, write_crop
from core.data.decoding._decoder import CHANNELS, Decoder, Pictures, Request
from core.data.decoding._workers import DecodePool

__all__ = [
    "CHANNELS",
    "DecodePool",
    "Decoder",
    "Pictures",
    "Request",
    "centre_crop",
    "random_crop",
    "resized_shape",
    "write_crop",
]
