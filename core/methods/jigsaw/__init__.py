"""PMG's training with jigsaw pieces, for the first weights of its extractor. No part of Alg. 1."""

from core.methods.jigsaw._method import Jigsaw
from core.methods.jigsaw._model import JigsawModel
from core.methods.jigsaw._pieces import permute_pieces
from core.methods.jigsaw._trunk_file import TRUNK_FILE, write_trunk

__all__ = ["TRUNK_FILE", "Jigsaw", "JigsawModel", "permute_pieces", "write_trunk"]
