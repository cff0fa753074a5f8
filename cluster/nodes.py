"""Wait until all nodes of a Ray cluster have joined it.

python -m cluster.nodes HOST:PORT NUMBER
"""

import argparse
import logging
import socket
import sys
import time

import ray

_LOOK_EVERY = 0.5


def wait_for_head(address: str, deadline: float) -> bool:
    """Whether a head's port answers before the deadline; Ray would end the process by itself."""
    host, _, port = address.rpartition(":")
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, int(port)), timeout=1):
                return True
        except OSError:
            time.sleep(_LOOK_EVERY)
    return False


def alive() -> list[str]:
    """Addresses of the nodes that are there."""
    return sorted(str(node["NodeManagerAddress"]) for node in ray.nodes() if node["Alive"])  # type: ignore[no-untyped-call]


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0 when the nodes are there, 1 when time is over."""
    parser = argparse.ArgumentParser(prog="python -m cluster.nodes", description=__doc__)
    parser.add_argument("address", metavar="HOST:PORT", help="of the head")
    parser.add_argument("number", type=int, help="of nodes, the head among them")
    parser.add_argument("--seconds", type=float, default=300.0, help="to wait (default: 300)")
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + options.seconds
    if not wait_for_head(options.address, deadline):
        sys.stderr.write(f"No head answers at {options.address} after {options.seconds:g} s.\n")
        return 1
    ray.init(address=options.address, log_to_driver=False, logging_level=logging.ERROR)
    while len(here := alive()) < options.number:
        if time.monotonic() > deadline:
            sys.stderr.write(
                f"After {options.seconds:g} s only {len(here)} of {options.number} nodes have "
                f"joined {options.address}: {', '.join(here)}.\n"
            )
            return 1
        time.sleep(_LOOK_EVERY)
    return 0


if __name__ == "__main__":
    sys.exit(main())
