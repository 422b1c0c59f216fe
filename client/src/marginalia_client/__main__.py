"""The API of a server from a shell: `marginalia-client GET projects/signs/finish/ error=0.02`."""

import json
import os
import sys
import tempfile
import zipfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import MarginaliaError
from .server import Marginalia
from .steps import Connection, Steps, polls, upload
from .tables import save

ENDS = ("done", "failed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Send one request, and print the JSON of the response. Return 1 if it is refused or fails, with the reason on
    standard error.
    """
    options = _parser().parse_args(arguments)
    url, token = (os.environ.get(f"MARGINALIA_{name}", "") for name in ("URL", "TOKEN"))
    try:
        with Marginalia(url, token) as server:
            body = server._connection.run(_ask(server._connection, options))
    except (MarginaliaError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if body is not None:
        sys.stdout.write(f"{json.dumps(body, indent=2, ensure_ascii=False)}\n")
    return int(options.wait and body["state"] == "failed")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="marginalia-client",
        description="Send a request to the API of the server MARGINALIA_URL with the token MARGINALIA_TOKEN, and print "
        "the response.",
    )
    parser.add_argument("method", choices=("GET", "POST", "PUT", "PATCH", "DELETE"))
    parser.add_argument("path", help="Below /api/v1/, such as projects/signs/finish/.")
    parser.add_argument(
        "fields", nargs="*", metavar="NAME=VALUE", help="Fields of the request. A value is JSON, or else text."
    )
    parser.add_argument("--body", metavar="FILE", help="A JSON object with more fields; - reads standard input.")
    parser.add_argument("--file", type=Path, metavar="PATH", help="Send this file, or a zip of this folder.")
    parser.add_argument("--output", type=Path, metavar="PATH", help="Write the response to this file.")
    parser.add_argument("--wait", action="store_true", help="Wait until what the request began is done or failed.")
    return parser


def _ask(connection: Connection, options: Namespace) -> Steps[Any]:
    """Send the request, wait if wanted, and return the JSON of the last response; None for an empty response or a
    file.
    """
    fields = _fields(options)
    if options.output:
        yield from save(connection, options.path, fields, options.output, progress=False)
        return None
    if options.file:
        with tempfile.TemporaryDirectory() as folder:
            path = _packed(options.file, Path(folder)) if options.file.is_dir() else options.file
            body = yield from upload(connection, options.path, path, params=fields)
    elif options.method == "GET":
        body = yield from connection.ask("GET", options.path, params=fields)
    else:
        repeatable = options.method != "POST"
        body = yield from connection.ask(options.method, options.path, fields or None, repeatable=repeatable)
    if options.wait:
        address = body["url"].partition("/api/v1/")[2]
        for pause in polls(None, ""):
            if body["state"] in ENDS:
                break
            yield pause
            body = yield from connection.ask("GET", address)
    return body


def _fields(options: Namespace) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if options.body:
        fields = json.loads(sys.stdin.read() if options.body == "-" else Path(options.body).read_text("utf-8"))
    for text in options.fields:
        name, _, value = text.partition("=")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    return fields


def _packed(source: Path, folder: Path) -> Path:
    """Write a zip of the files of `source` into a folder, and return its path."""
    path = folder / f"{source.resolve().name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(each for each in source.iterdir() if each.is_file()):
            archive.write(file, file.name)
    return path


if __name__ == "__main__":
    sys.exit(main())
