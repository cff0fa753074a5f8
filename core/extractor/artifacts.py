"""What a finished run leaves behind, whatever method trained it."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
from safetensors.torch import save_file

from core.data import Dataset
from core.evaluation import Evaluation
from core.extractor._matches import attribute_matches
from core.extractor._trained import CONFIG_FILE, WEIGHTS_FILE, TrainedExtractor
from core.training import TrainState
from core.tree import DecisionTree, draw_tree, to_text

PICTURED_DEPTH = 4


def write_artifacts(
    folder: Path, state: TrainState, evaluation: Evaluation, dataset: Dataset
) -> None:
    """Write a run's config, weights, tree in three forms, attributes and its method's files.

    What the method or the data does not have is left out. `core.AttributeExtractor.load` reads the
    folder of a run with levels.

    Parameters
    ----------
    folder
        It exists.
    state
        Of a run that is over, so it holds the reported epoch's weights and tree.
    evaluation
        Of those weights.
    dataset
        Whose classes and attributes give the names.
    """
    (folder / CONFIG_FILE).write_text(json.dumps(state.config.to_dict(), indent=2))
    if state.model.num_levels is not None:
        matches = evaluation.fidelity and attribute_matches(
            evaluation.fidelity, dataset.attribute_names
        )
        TrainedExtractor(
            config=state.config,
            model=state.model,
            tree=state.tree,
            classes=np.array(dataset.class_names),
            input_shape=dataset.image_shape,
            matches=matches or (),
        ).write(folder)
    else:
        weights = {name: t.cpu().contiguous() for name, t in state.model.state_dict().items()}
        save_file(weights, folder / WEIGHTS_FILE)
    if state.tree is not None:
        _write_tree(folder, state.tree, dataset.class_names)
    if evaluation.fidelity is not None:
        table = evaluation.fidelity.table(dataset.attribute_names)
        pyarrow.parquet.write_table(table, folder / "attributes.parquet")
    state.method.write_files(folder)


def _write_tree(folder: Path, tree: DecisionTree, class_names: tuple[str, ...]) -> None:
    """Beside its JSON, in words and as a picture."""
    (folder / "tree.txt").write_text(to_text(tree, class_names=class_names))
    figure = draw_tree(tree, class_names=class_names, max_depth=PICTURED_DEPTH)
    figure.savefig(folder / "tree.png", dpi=80)
