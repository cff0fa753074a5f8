"""PMG's training with jigsaw pieces, for the first weights of its extractor. No part of Alg. 1."""

from core.jigsaw._file import pretrain_to_file
from core.jigsaw._pieces import permute_pieces
from core.jigsaw._pretrain import JigsawEpoch, JigsawState, pretrain_jigsaw

__all__ = ["JigsawEpoch", "JigsawState", "permute_pieces", "pretrain_jigsaw", "pretrain_to_file"]
