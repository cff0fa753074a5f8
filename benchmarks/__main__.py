"""Run every benchmark with its defaults, one after another."""

import pkgutil
import runpy
import sys
from pathlib import Path


def main() -> None:
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    for name in sorted(names):
        if name == "__main__":
            continue
        print(f"\n== benchmarks.{name}", flush=True)
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
