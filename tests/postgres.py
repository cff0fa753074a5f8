"""A real PostgreSQL on loopback, with a password."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

_READY = "database system is ready to accept connections"
_LIKELY_FOLDERS = "/usr/lib/postgresql"
_USER = "mlflow"


@contextmanager
def postgres_server(folder: Path, *, home: Path | None = None) -> Iterator[str]:
    """Run a server with an empty database; yields its URI, the password included.

    Skips the test where PostgreSQL is not installed.

    Parameters
    ----------
    folder
        Gets the server's log.
    home
        Folder for the database, emptied at the end. By default a new one.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not here: install the Debian package `postgresql`.")
    password, port = secrets.token_hex(16), free_port()
    log = folder / "postgres.log"
    # Not below `folder`: pytest's folders are closed to the other user that the server runs as.
    is_own = home is None
    home = home or Path(tempfile.mkdtemp(prefix="postgres-"))
    user = _other_user(home)
    data = home / "data"
    password_file = home / "password"
    password_file.write_text(password)
    if user:
        shutil.chown(password_file, user["user"])
    server: subprocess.Popen[bytes] | None = None
    try:
        with log.open("w") as printed:
            subprocess.run(
                [
                    *(programs / "initdb", "--pgdata", data, "--username", _USER, "--no-sync"),
                    *("--auth", "scram-sha-256", "--pwfile", password_file),
                    *("--encoding", "UTF8", "--no-locale"),
                ],
                **user,
                cwd=home,
                stdout=printed,
                stderr=printed,
                check=True,
            )
            server = subprocess.Popen(
                [
                    *(programs / "postgres", "-D", data, "-p", str(port), "-c", "fsync=off"),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                ],
                **user,
                cwd=home,
                stdout=printed,
                stderr=printed,
            )
        deadline = time.monotonic() + 60
        while _READY not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield f"postgresql://{_USER}:{password}@127.0.0.1:{port}/postgres"
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # it ends its clients' connections and stops
            server.wait(30)
        shutil.rmtree(data, ignore_errors=not data.exists())
        password_file.unlink()
        if is_own:
            home.rmdir()


def _programs() -> Path | None:
    """The folder with PostgreSQL's programs; Debian leaves it off the path."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = sorted(Path(_LIKELY_FOLDERS).glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _other_user(home: Path) -> dict[str, Any]:
    """Arguments of `subprocess` for root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    shutil.chown(home, "nobody")
    return {"user": "nobody", "extra_groups": []}
