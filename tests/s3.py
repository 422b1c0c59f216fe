"""A server of S3's protocol for tests, in its own process on a free port."""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import fsspec

KEY = "tests"


class Bucket(NamedTuple):
    """An empty bucket. `environment`: the variables by which a process finds its server."""

    url: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]


@contextmanager
def s3_server(log: Path | None = None) -> Iterator[Bucket]:
    """Run a server with one bucket, which this process uses, too. `log` gets a line for each request."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=log.open("wb") if log else subprocess.DEVNULL,
    )
    options = {"endpoint_url": f"http://127.0.0.1:{port}", "key": KEY, "secret": KEY}
    before = fsspec.config.conf.get("s3")
    fsspec.config.conf["s3"] = options
    try:
        _wait_for(port)
        bucket = f"bucket-{uuid.uuid4().hex[:8]}"
        fsspec.filesystem("s3").mkdir(bucket)
        environment = {
            "AWS_ENDPOINT_URL": options["endpoint_url"],
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
        }
        yield Bucket(f"s3://{bucket}/marginalia", environment, process)
    finally:
        if before is None:
            del fsspec.config.conf["s3"]
        else:
            fsspec.config.conf["s3"] = before
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"the S3 server did not come up on port {port} (process {os.getpid()})")
