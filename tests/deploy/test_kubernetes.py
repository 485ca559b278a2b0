"""The manifests for Kubernetes: rendered and checked by other people's tools, and in agreement with the product."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from acceptance.command import ended
from fakes.papers import Papers

from deploy.shipped import (
    DEPLOY,
    IMAGE_COMMAND,
    IMAGE_USER,
    Manifest,
    config_of,
    kinds,
    manifests,
    moved,
    read_yaml,
)
from gateway import __version__
from gateway.config import Config, load

NAMES = sorted(folder.name for folder in (DEPLOY / "kubernetes").iterdir())
OLDEST = "1.29"
"""Sidecars, as init containers that go on, are on by default from here."""

every = pytest.mark.parametrize("name", NAMES)


def pods(name: str) -> list[Manifest]:
    """The templates of all pods."""
    return [one["spec"]["template"] for kind in ("Deployment", "StatefulSet") for one in kinds(name, kind)]


def containers(pod: Manifest) -> Iterator[Manifest]:
    yield from pod["spec"].get("initContainers", ())
    yield from pod["spec"]["containers"]


def gateway_of(name: str) -> tuple[Manifest, Manifest]:
    """The pod with the gateway, and the gateway's container."""
    ((pod, gateway),) = [
        (pod, one) for pod in pods(name) for one in containers(pod) if one["name"] == "lro-gateway"
    ]
    return pod, gateway


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the operator's own Secrets would hold."""
    folder = tmp_path_factory.mktemp("secrets")
    papers = Papers(folder, "house").issue("gateway", hosts=["graph.microsoft.com"])
    (folder / "tls.crt").write_bytes(papers.certificate.read_bytes())
    (folder / "tls.key").write_bytes(papers.key.read_bytes())
    (folder / "caller-key").write_text("0123456789abcdef" * 4, "utf-8")
    (folder / "redis-url").write_text("redis://:word@lro-gateway-redis:6379/0", "utf-8")
    (folder / "encryption-key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "utf-8")
    return folder


def loaded(name: str, secrets: Path, file: Path) -> Config:
    places = {"/etc/lro-gateway-tls": secrets, "/etc/lro-gateway-secrets": secrets}
    file.write_text(moved(config_of(name), places), "utf-8")
    return load(file, {})


# --- other people's tools --------------------------------------------------------------------------------


def test_there_is_what_the_page_says() -> None:
    assert NAMES == ["graph-alias", "replicas", "sidecar"]


@every
@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_every_manifest_is_what_kubernetes_takes(name: str, version: str) -> None:
    assert len(manifests(name)) >= 3
    for one in manifests(name):
        kubernetes_validate.validate(one, version, strict=True)


def test_a_key_that_does_not_exist_would_be_found() -> None:
    deployment = kinds("sidecar", "Deployment")[0]
    broken = {**deployment, "spec": {**deployment["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, OLDEST, strict=True)


@every
def test_check_config_takes_the_configuration(name: str, secrets: Path, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    loaded(name, secrets, file)
    done = ended("check-config", file)
    assert (done.code, done.out, done.err) == (0, f"{file}: ok\n", "")


# --- they agree with the product -------------------------------------------------------------------------


@every
def test_the_image_is_this_version_and_runs_what_it_would_run_anyway(name: str) -> None:
    pod, gateway = gateway_of(name)
    assert gateway["image"].endswith(f"/lro-gateway:{__version__}")
    assert "command" not in gateway
    assert gateway["args"] == IMAGE_COMMAND
    assert pod["spec"]["securityContext"]["runAsUser"] == IMAGE_USER
    assert pod["spec"]["securityContext"]["fsGroup"] == IMAGE_USER


@every
def test_ports_are_those_of_the_configuration(name: str, secrets: Path, tmp_path: Path) -> None:
    config = loaded(name, secrets, tmp_path / "gateway.yaml")
    pod, gateway = gateway_of(name)
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert ports["admin"] == config.admin.port
    assert config.admin.host == "0.0.0.0", "the kubelet asks the pod's address"
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(config.admin.port)
    assert pod["metadata"]["annotations"]["prometheus.io/path"] == "/metrics"
    opened = {rule["port"] for rule in ingress_ports(name, pod)}
    if config.listen.host == "127.0.0.1":
        assert set(ports) == {"admin"}
        assert opened == {config.admin.port}
    else:
        assert ports["https"] == config.listen.port
        assert opened == {config.listen.port, config.admin.port}


def ingress_ports(name: str, pod: Manifest) -> list[Any]:
    (policy,) = [
        one
        for one in kinds(name, "NetworkPolicy")
        if one["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    ]
    return [port for rule in policy["spec"]["ingress"] for port in rule["ports"]]


@every
def test_probes_ask_what_they_are_for(name: str) -> None:
    _, gateway = gateway_of(name)
    asked = {
        kind: gateway[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")
    }
    assert asked == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}
    assert {gateway[f"{kind}Probe"]["httpGet"]["port"] for kind in asked} == {"admin"}


@every
def test_the_platform_waits_longer_than_the_gateway(name: str, secrets: Path, tmp_path: Path) -> None:
    grace = loaded(name, secrets, tmp_path / "gateway.yaml").shutdown.grace
    pod, gateway = gateway_of(name)
    pause = gateway.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    assert pod["spec"]["terminationGracePeriodSeconds"] >= int(pause[1]) + grace + 5


@every
def test_no_container_may_do_more_than_it_must(name: str) -> None:
    for pod in pods(name):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for one in containers(pod):
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(one["resources"]["requests"]) == {"cpu", "memory"}
            assert "memory" in one["resources"]["limits"]


@every
def test_every_path_of_the_configuration_is_a_volume(name: str) -> None:
    pod, gateway = gateway_of(name)
    mounts = {mount["mountPath"]: mount for mount in gateway["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in mounts.values()} <= set(volumes)
    for path in re.findall(r"(?:file:|_file: |path: )(/\S+)/", config_of(name)):
        assert path in mounts
        assert mounts[path].get("readOnly", False) is (path != "/var/lib/lro-gateway")
    assert volumes[mounts["/etc/lro-gateway"]["name"]]["configMap"]["name"].startswith("lro-gateway")


@every
def test_every_secret_is_one_that_the_page_tells_to_make(name: str) -> None:
    page = (DEPLOY.parent / "docs" / "deploying.md").read_text("utf-8")
    named = [
        volume["secret"]["secretName"]
        for pod in pods(name)
        for volume in pod["spec"]["volumes"]
        if "secret" in volume
    ]
    for secret in named:
        assert re.search(rf"kubectl create secret \w+ {secret}(?: |$)", page, re.MULTILINE), secret
    assert bool(named) is (name != "sidecar")


@pytest.mark.parametrize("name", ["graph-alias", "sidecar"])
def test_the_gateway_is_a_sidecar(name: str) -> None:
    ((pod),) = pods(name)
    (gateway,) = pod["spec"]["initContainers"]
    assert gateway["restartPolicy"] == "Always"


def test_the_client_of_the_sidecar_finds_it(secrets: Path, tmp_path: Path) -> None:
    config = loaded("sidecar", secrets, tmp_path / "gateway.yaml")
    (client,) = pods("sidecar")[0]["spec"]["containers"]
    assert {"name": "GRAPH_BASE_URL", "value": f"http://127.0.0.1:{config.listen.port}/v1.0"} in client["env"]


def test_the_alias_leads_to_the_gateway_and_past_it(secrets: Path, tmp_path: Path) -> None:
    config = loaded("graph-alias", secrets, tmp_path / "gateway.yaml")
    spec = pods("graph-alias")[0]["spec"]
    host = config.upstream.base_url.removeprefix("https://")
    assert spec["hostAliases"] == [{"ip": config.listen.host, "hostnames": [host]}]
    (service,) = kinds("graph-alias", "Service")
    assert service["spec"] == {"type": "ExternalName", "externalName": host}
    assert config.upstream.connect_to == f"{service['metadata']['name']}:443"
    assert config.listen.port == 443
    assert config.listen.tls.certificate_file is not None
    assert spec["securityContext"]["sysctls"] == [
        {"name": "net.ipv4.ip_unprivileged_port_start", "value": str(config.listen.port)}
    ]
    paths = {entry["value"] for entry in spec["containers"][0]["env"]}
    assert {path.rpartition("/")[0] for path in paths} == {
        mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]
    }


def test_replicas_are_never_fewer_than_asked_for_while_they_are_replaced() -> None:
    (deployment,) = kinds("replicas", "Deployment")
    assert deployment["spec"]["replicas"] >= 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    (budget,) = kinds("replicas", "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (service,) = [one for one in kinds("replicas", "Service") if one["metadata"]["name"] == "lro-gateway"]
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    selectors = [
        budget["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        deployment["spec"]["selector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in spread),
    ]
    assert all(selector == labels for selector in selectors)
    assert service["spec"]["ports"][0]["targetPort"] == "https"


def test_redis_is_where_the_page_says_and_keeps_what_it_has(secrets: Path) -> None:
    (config,) = [
        one["data"]["redis.conf"] for one in kinds("replicas", "ConfigMap") if "redis.conf" in one["data"]
    ]
    said = dict(line.split(" ", 1) for line in config.splitlines() if not line.startswith("#"))
    assert (said["appendonly"], said["maxmemory-policy"]) == ("yes", "noeviction")
    (redis,) = kinds("replicas", "StatefulSet")
    (container,) = redis["spec"]["template"]["spec"]["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounts[said["dir"]] == redis["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
    assert said["include"].rpartition("/")[0] in mounts
    assert container["command"][1].rpartition("/")[0] in mounts
    assert container["ports"][0]["containerPort"] == int(said["port"])
    memory = int(said["maxmemory"].removesuffix("mb"))
    assert (
        int(container["resources"]["limits"]["memory"].removesuffix("Mi")) >= 2 * memory * 1000**2 / 1024**2
    )
    page = (DEPLOY.parent / "docs" / "deploying.md").read_text("utf-8")
    assert f"@{redis['spec']['serviceName']}:{said['port']}/0" in page
    assert read_yaml(config_of("replicas"))["operations"]["store"] == "redis"
