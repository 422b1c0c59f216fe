"""Test that the installed wheel runs in an empty folder, and keeps its data there."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from processes import wait_until

from models_store import __version__
from tests.operations.servers import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
OURS = {"DATABASE_URL", "DATA_DIR", "DJANGO_SETTINGS_MODULE", "PORT", "PYTHONPATH", "SECRET_KEY"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in OURS}
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheels from the files that git tracks, without leaving build files behind. Returns their folder."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listing, cwd=ROOT, text=True).split("\0"):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", made, source, source / "client"]
    subprocess.run(command, check=True)
    return made


def contents(wheels: Path, name: str) -> tuple[set[str], Message]:
    """Return the names of a wheel's files, and its metadata."""
    [path] = wheels.glob(f"{name}-*.whl")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        [metadata] = [each for each in names if each.endswith(".dist-info/METADATA")]
        about = Parser().parsestr(archive.read(metadata).decode())
    return {each for each in names if ".dist-info/" not in each}, about


@pytest.fixture(scope="module")
def programs(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the program `marginalia`, in an environment with the wheels and the tests' packages."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, symlinks=True)
    libraries = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    (libraries / "of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*PIP, "--python", place / "bin/python", "install", "--no-deps", *wheels.iterdir()], check=True)
    return place / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with settings, and with a module that must not be loaded."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".env").write_text(f"PORT={free_port()}\nWEB_CONCURRENCY=1\n")
    (folder / "config.py").write_text("raise SystemExit('the wrong config')")
    return folder


def marginalia(programs: Path, folder: Path, *words: str) -> str:
    command = [programs / "marginalia", *words]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True, timeout=120
    ).stdout


@pytest.fixture
def site(programs: Path, folder: Path) -> Iterator[str]:
    """Run the demo; return its address."""
    address = f"http://127.0.0.1:{re.findall(r'PORT=(.+)', (folder / '.env').read_text())[0]}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "marginalia", "demo"], cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: process.poll() is not None or b"is ready" in (folder / "log").read_bytes())
        wait_until(lambda: process.poll() is not None or b"Ready on" in (folder / "log").read_bytes())
        assert process.poll() is None, (folder / "log").read_text()
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return bytes(answer.read())


def test_it_holds_the_program_and_lists_what_it_needs(wheels: Path) -> None:
    names, about = contents(wheels, "marginalia")
    assert about["Version"] == __version__
    packages = {"config", "demo", "labeling", "locale", "models_store", "selector", "static", "templates"}
    assert {name.partition("/")[0] for name in names} == packages
    for part in ("static", "templates"):
        files = {str(path.relative_to(ROOT)) for path in (ROOT / part).rglob("*") if path.is_file()}
        assert files == {name for name in names if name.startswith(f"{part}/")}
    extras = {path.stem.partition("-")[2] for path in ROOT.glob("requirements-*.txt")} - {"dev"}
    assert set(about.get_all("Provides-Extra", [])) == extras
    needed = [each.partition(";")[0] for each in about.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert not [each for each in needed if each.startswith("marginalia")]  # neither wheel is on PyPI
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert len(needed) == len([line for line in lines if line and not line.startswith("#")])


@pytest.mark.long
def test_the_client_is_a_package_of_its_own(wheels: Path, programs: Path, tmp_path: Path) -> None:
    names, about = contents(wheels, "marginalia_client")
    assert {name.partition("/")[0] for name in names} == {"marginalia_client"}
    assert "marginalia_client/py.typed" in names
    assert (about["License-Expression"], about["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    assert {each for each in about.get_all("Requires-Dist", []) if "extra ==" not in each} == {"httpx<1,>=0.28"}
    loads = (
        "import marginalia_client, sys; print(sys.modules.keys() & {'django', 'pandas', 'pyarrow', 'tqdm', 'config'})"
    )
    command = [programs / "python", "-c", loads]
    assert subprocess.check_output(command, cwd=tmp_path, env=ENVIRONMENT, text=True) == "set()\n"


@pytest.mark.long
def test_the_demo_runs_in_an_empty_folder(programs: Path, folder: Path, site: str) -> None:
    assert get(f"{site}/healthz") == b'{"status": "ok"}'
    page = get(f"{site}/login/").decode()
    files = re.findall(r'"(/static/[^"]+)"', page)
    assert any(re.search(r"\.[0-9a-f]{12}\.css", file) for file in files), files
    assert all(get(site + file) for file in files)
    assert (folder / "marginalia-data/db.sqlite3").exists()
    assert '"digits"' in marginalia(programs, folder, "status", "digits", "--json")
    assert {path.name for path in folder.iterdir()} == {".env", "config.py", "log", "marginalia-data"}


@pytest.mark.long
def test_every_command_is_there_and_says_before_the_first_start_what_to_do(programs: Path, folder: Path) -> None:
    done = subprocess.run(
        [programs / "marginalia", "status", "digits"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"{folder}/marginalia-data has no tables yet" in done.stderr
    assert "run `marginalia migrate` first" in done.stderr
    assert marginalia(programs, folder, "--version") == f"Marginalia {__version__}\n"
    assert "--drain" in marginalia(programs, folder, "worker", "--help")
    assert "--annotators" in marginalia(programs, folder, "simulate_annotators", "--help")
    listed = marginalia(programs, folder, "help", "--commands").split()
    assert {"demo", "run", "worker", "simulate_annotators", "export_labels", "migrate"} <= set(listed)
