"""Test the files of deploy/: the container's image, the manifests of Kubernetes, and the units of systemd."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
FILE = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    line.split(maxsplit=1) for line in re.sub(r"\\\n\s*", "", FILE).splitlines() if line and not line.startswith("#")
]


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def copied() -> list[str]:
    """Return the paths that the image copies from the repository."""
    return [name for rest in arguments("COPY") if "--from" not in rest for name in rest.split()[:-1]]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with the image's copy of the repository."""
    folder = tmp_path_factory.mktemp("image")
    for pattern in copied():
        for source in ROOT.glob(pattern):
            if source.is_dir():
                shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder)
    return folder


def test_what_is_copied_is_let_through_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied())
    for pattern in copied():
        assert list(ROOT.glob(pattern)), pattern
    assert not any(fnmatch.fnmatch(".env", pattern) for pattern in copied())


@pytest.mark.long
def test_the_web_server_starts_from_what_is_copied(image: Path, tmp_path: Path) -> None:
    gunicorn = re.search(r"exec gunicorn (.*)\"\]", arguments("CMD")[-1])
    assert gunicorn is not None
    options = gunicorn[1].replace("$PORT", "8000").split()
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "DEBUG": "true"}
    command = [sys.executable, "-m", "gunicorn", "--check-config", *options]
    result = subprocess.run(command, cwd=image, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_all_packages_are_copied_and_it_runs_as_nobody_in_particular() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["importlinter"]["root_packages"]) <= set(copied())
    assert arguments("USER") == ["10001:10001"]
    (check,) = arguments("HEALTHCHECK")
    command = json.loads(check.partition("CMD")[2])
    compile(command[-1], "HEALTHCHECK", "exec")
    assert "/healthz" in command[-1]


def test_it_takes_any_number_of_extras() -> None:
    install = arguments("RUN")[0].replace("python -m venv .venv", "true").replace(".venv/bin/pip", "echo")
    for extras in ([], ["requirements-s3.txt"], ["requirements-encoders.txt", "requirements-s3.txt"]):
        environment = {"PATH": os.environ["PATH"], "REQUIREMENTS": " ".join(extras), "PIP_OPTIONS": ""}
        words = subprocess.run(["sh", "-c", install], env=environment, capture_output=True, text=True).stdout.split()
        files = [after for word, after in pairwise(words) if word == "--requirement"]
        assert files == ["requirements.txt", *extras]
        assert "./client" in words


FOLDER = ROOT / "deploy/kubernetes"
# The oldest release that is looked after when this is written: what it takes, later ones take.
KUBERNETES = "1.34"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
RESOURCES = {
    f"{each['kind']} {each['metadata']['name']}": each
    for name in KUSTOMIZATION["resources"]
    for each in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
}
WEB, WORKER = RESOURCES["Deployment marginalia-web"], RESOURCES["Deployment marginalia-worker"]
CONTAINERFILE = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")


def pod_of(resource: dict[str, Any]) -> dict[str, Any] | None:
    spec = resource.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    return spec["template"]["spec"] if "template" in spec else None


PODS = {name: pod for name, resource in RESOURCES.items() if (pod := pod_of(resource))}


def containers() -> Iterator[dict[str, Any]]:
    for pod in PODS.values():
        yield from pod.get("initContainers", [])
        yield from pod["containers"]


def test_kubernetes_takes_all_files_and_would_refuse_what_it_does_not_know() -> None:
    for resource in RESOURCES.values():
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**WEB, "spec": {**WEB["spec"], "replica": 2}}, KUBERNETES, strict=True)
    assert sorted([*KUSTOMIZATION["resources"], "kustomization.yaml"]) == sorted(path.name for path in FOLDER.iterdir())


def test_every_container_is_the_image_and_can_write_to_its_volumes_alone() -> None:
    (image,) = KUSTOMIZATION["images"]
    for container in containers():
        assert container["image"] == image["name"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {each["mountPath"] for each in container["volumeMounts"]} == {"/var/lib/marginalia", "/tmp"}
        assert container["envFrom"] == [{"configMapRef": {"name": "marginalia"}}, {"secretRef": {"name": "marginalia"}}]
    users = {pod["securityContext"]["runAsUser"] for pod in PODS.values()}
    assert users == {int(re.findall(r"^USER (\d+)", CONTAINERFILE, re.MULTILINE)[0])}


def test_commands_are_there_and_settings_are_such_as_are_read() -> None:
    commands = [command for each in containers() if (command := each.get("command"))]
    assert {command[2] for command in commands} == {"migrate", "worker", "clearsessions"} <= get_commands().keys()
    assert {tuple(command[:2]) for command in commands} == {("python", "manage.py")}
    documented = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/reference/settings.md").read_text(), re.MULTILINE)
    assert RESOURCES["ConfigMap marginalia"]["data"].keys() <= set(documented)


def test_the_service_and_the_probes_lead_to_the_web_server() -> None:
    (web,) = PODS["Deployment marginalia-web"]["containers"]
    service = RESOURCES["Service marginalia-web"]["spec"]
    policy = RESOURCES["NetworkPolicy marginalia-web"]["spec"]
    assert service["selector"] == WEB["spec"]["template"]["metadata"]["labels"] == policy["podSelector"]["matchLabels"]
    assert f"PORT={web['ports'][0]['containerPort']}" in CONTAINERFILE
    probe = web["readinessProbe"]["httpGet"]
    (host,) = probe["httpHeaders"]
    assert host["value"] in RESOURCES["ConfigMap marginalia"]["data"]["ALLOWED_HOSTS"].split(",")
    ports = {service["ports"][0]["targetPort"], probe["port"], web["livenessProbe"]["tcpSocket"]["port"]}
    ports.add(policy["ingress"][0]["ports"][0]["port"])
    assert ports == {web["ports"][0]["name"]}
    (rule,) = RESOURCES["Ingress marginalia"]["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == "marginalia-web"
    assert rule["host"] in RESOURCES["ConfigMap marginalia"]["data"]["ALLOWED_HOSTS"].split(",")


def test_web_pods_are_replaced_one_by_one_and_workers_all_together() -> None:
    assert WEB["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert WORKER["spec"]["strategy"] == {"type": "Recreate"}
    for each in (WEB, WORKER):  # neither starts before the tables are those of its release
        (waits,) = each["spec"]["template"]["spec"]["initContainers"]
        assert waits["command"][2:] == ["migrate", "--check"]


UNITS = sorted((ROOT / "deploy/systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
# Of 10, as systemd reckons it: 9.6 is a service with nothing but a command.
MOST_EXPOSURE = 1.8


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Return the units for this copy of the program, because systemd checks that their programs exist."""
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/marginalia", str(ROOT)))
    return sorted(path for path in tmp_path.iterdir() if path.is_file())


def test_systemd_has_nothing_to_say_about_them_but_would_say_something(units: list[Path]) -> None:
    assert len(units) == len(UNITS) >= 4
    result = analyze("verify", "--recursive-errors=no", *units)  # units of the machine's own are not ours to mend
    assert [line for line in result.stderr.splitlines() if "marginalia" in line] == []
    assert result.returncode == 0, result.stderr
    units[0].write_text(units[0].read_text().replace("[Service]", "[Service]\nProtectEverything=true"))
    assert "ProtectEverything" in analyze("verify", *units).stderr


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_walled_in(service: Path) -> None:
    result = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE * 10:.0f}", "--no-pager", service)
    assert result.returncode == 0, result.stdout[-200:]


def test_they_run_commands_that_there_are_and_are_started_again_at_once() -> None:
    commands = re.findall(r"manage\.py (\w+)$", "".join(unit.read_text() for unit in SERVICES), re.MULTILINE)
    assert sorted(commands) == ["clearsessions", "worker"]
    assert set(commands) <= get_commands().keys()
    for name in ("web", "worker@"):
        lines = (ROOT / f"deploy/systemd/marginalia-{name}.service").read_text().splitlines()
        assert {"Restart=always", "RestartSec=1", "StartLimitIntervalSec=0", "OOMPolicy=continue"} <= set(lines)
