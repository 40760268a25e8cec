"""deploy/kubernetes and deploy/argo: against the API's schemas, and against what the restricted pod standard asks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hera.workflows.models import WorkflowTemplate

from deploy.secrets import make_secrets

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KUBERNETES = "1.32"
MANIFESTS = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
IDS = [f"{one['kind']}-{one['metadata']['name']}" for one in MANIFESTS]
WORKLOADS = [one for one in MANIFESTS if one["kind"] in ("Deployment", "StatefulSet")]


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("manifest", MANIFESTS, ids=IDS)
def test_manifest_follows_the_schema(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_the_schema_finds_a_mistake() -> None:
    wrong = {**WORKLOADS[0], "spec": {**WORKLOADS[0]["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one["metadata"]["name"])
def test_pods_have_no_more_rights_than_they_need(workload: dict[str, Any]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root."""
    spec = pod(workload)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        assert container["readinessProbe"]
        assert container["livenessProbe"]
    assert {next(iter(set(volume) - {"name"})) for volume in spec["volumes"]} <= {
        "configMap",
        "secret",
        "projected",
        "emptyDir",
    }


def test_gateway_gets_a_gpu_and_survives_a_drain() -> None:
    gateway = next(one for one in WORKLOADS if one["metadata"]["name"] == "gateway")
    assert pod(gateway)["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    budgets = [one for one in MANIFESTS if one["kind"] == "PodDisruptionBudget"]
    labels = [one["spec"]["selector"]["matchLabels"] for one in budgets]
    assert gateway["spec"]["template"]["metadata"]["labels"] in labels


def test_network_is_closed_unless_named() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in MANIFESTS if one["kind"] == "NetworkPolicy"}
    assert policies["deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for workload in WORKLOADS:
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert policies[workload["metadata"]["name"]]["podSelector"]["matchLabels"] == labels
    (egress,) = policies["gateway"]["egress"]
    assert egress["to"] == [{"podSelector": {"matchLabels": {"app": "orthanc"}}}]


def test_secrets_are_named_not_written(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    assert not [one for one in MANIFESTS if one["kind"] == "Secret"]
    for workload in WORKLOADS:
        for volume in pod(workload)["volumes"]:
            sources = volume.get("projected", {}).get("sources", [volume])
            for secret in (source["secret"] for source in sources if "secret" in source):
                assert secret.get("secretName", secret.get("name")) == "pulmomap"
                assert {item["key"] for item in secret["items"]} <= made


def test_kustomization_names_files_that_exist() -> None:
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    files = [name for generator in kustomization["configMapGenerator"] for name in generator["files"]]
    for name in [*kustomization["resources"], *(file.rpartition("=")[2] for file in files)]:
        assert (DEPLOY / name).is_file(), name


def test_kustomize_builds_it() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed; the files are checked one by one above")
    built = subprocess.run([kubectl, "kustomize", str(DEPLOY)], capture_output=True, text=True, timeout=60, check=False)
    assert built.returncode == 0, built.stderr
    documents = list(yaml.safe_load_all(built.stdout))
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "pulmomap"
    assert {one["kind"] for one in documents} >= {"ConfigMap", "StatefulSet", "Deployment", "NetworkPolicy"}


def test_argo_template_follows_argos_model() -> None:
    """Hera's models are made from Argo's own schema, but drop unknown keys: what comes back must be the same."""
    content = yaml.safe_load((DEPLOY / "argo" / "workflow-template.yaml").read_text())
    template = WorkflowTemplate.model_validate(content)
    assert template.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True) == content
    (step,) = content["spec"]["templates"]
    assert content["spec"]["entrypoint"] == step["name"]
    mounts = {mount["name"] for mount in step["container"]["volumeMounts"]}
    assert mounts == {volume["name"] for volume in step["volumes"]}
