"""Ten training steps, written down: python -m tests.core.golden writes golden.json anew.

Do that only when a change is meant to move the numbers, and say so in the commit.
"""

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.methods import create_state
from core.training import fit
from tests.core.small import small_config, small_dataset

FILE = Path(__file__).with_name("golden.json")


def ten_steps() -> dict[str, Any]:
    """One epoch of ten batches of 20, at one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    dataset = small_dataset(num_train=200)
    config = small_config(num_epochs=1, sparsity_weight=0.01)
    state = create_state(config, in_channels=1, num_classes=4)
    result = next(fit(state, dataset))
    torch.set_num_threads(threads)
    return {
        **{f"{name}_loss": value for name, value in result.losses.items()},
        "minival_accuracy": result.minival_accuracy,
        "norms": {
            name: tensor.float().norm().item() for name, tensor in state.model.state_dict().items()
        },
    }


def main() -> None:
    versions = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
    FILE.write_text(json.dumps({"versions": versions, **ten_steps()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
