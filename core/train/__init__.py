"""One model from any data set, trained into a folder that `core.AttributeExtractor.load` reads.

``python -m core.train --data packed/birds --output models/birds``
"""

from core.train._run import RunFolder, train_to_folder

__all__ = ["RunFolder", "train_to_folder"]
