"""Ten training steps of each method, written down.

``python -m tests.core.methods.golden NAME ...`` writes the numbers of some methods anew. Do that
only when a change is meant to move them, and say so in the commit.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from tests.core.methods.problems import config_of, striped, train

FOLDER = Path(__file__).with_name("golden_steps")


def file_of(method: str) -> Path:
    return FOLDER / f"{method}.json"


def ten_steps(method: str) -> dict[str, Any]:
    """Two epochs of five batches of 16, at one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    state, results = train(config_of(method, num_epochs=2), striped(num_train=80))
    torch.set_num_threads(threads)
    return {
        "losses": [dict(result.losses) for result in results],
        "norms": {
            name: tensor.float().norm().item() for name, tensor in state.model.state_dict().items()
        },
    }


def main(methods: list[str]) -> None:
    versions = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "machine": platform.machine(),
    }
    FOLDER.mkdir(exist_ok=True)
    for method in methods:
        numbers = {"versions": versions, **ten_steps(method)}
        file_of(method).write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
