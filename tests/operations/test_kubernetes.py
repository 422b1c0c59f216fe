"""Test that the manifests in deploy/kubernetes are valid, and fit each other and the image."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.parametrize("name", RESOURCES)
def test_kubernetes_takes_it(name: str) -> None:
    kubernetes_validate.validate(RESOURCES[name], KUBERNETES, strict=True)


def test_kubernetes_would_refuse_what_it_does_not_know() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**WEB, "spec": {**WEB["spec"], "replica": 2}}, KUBERNETES, strict=True)


def test_all_files_are_applied() -> None:
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


def test_commands_are_there() -> None:
    commands = [command for each in containers() if (command := each.get("command"))]
    assert {command[2] for command in commands} == {"migrate", "worker", "clearsessions"} <= get_commands().keys()
    assert {tuple(command[:2]) for command in commands} == {("python", "manage.py")}


def test_settings_are_such_as_are_read() -> None:
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
