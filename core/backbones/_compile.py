"""torch.compile for a trunk."""

import os
import shutil
import sys

from torch import nn

from core.errors import ConfigError


def compile_trunk(trunk: nn.Module, *, backend: str = "inductor") -> None:
    """Have a trunk compiled when it first runs. Names in its state dict stay as they are.

    Raises
    ------
    ConfigError
        If the backend is inductor and the C++ compiler that it calls is not there.
    """
    if backend == "inductor":
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
        if shutil.which(compiler) is None:
            raise ConfigError(
                f"`compile=True` must find a C++ compiler, but {compiler!r} is not there: install "
                "it, name another in the environment variable CXX, or leave `compile` out."
            )
    trunk.compile(backend=backend)
