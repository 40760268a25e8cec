"""deploy/monai and deploy/mercure, checked by hand-written models: neither project publishes a schema.

The models follow the Workflow Manager's docs/setup/mwm-workflow-spec.md and Docker plug-in's Keys.cs, and mercure's
app/common/types.py and rule_evaluation.py.
"""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, Json

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Gateway(Strict):
    ae_title: Annotated[str, Field(max_length=16)]
    data_origins: list[str]
    export_destinations: list[str]


class Artifact(Strict):
    name: str
    value: str | None = None
    mandatory: bool


class Artifacts(Strict):
    input: list[Artifact]
    output: list[Artifact] = []


class Destination(Strict):
    name: str
    conditions: list[str] = []


class Task(Strict):
    id: Annotated[str, Field(max_length=50, pattern=r"^[A-Za-z0-9_-]+$")]
    description: Annotated[str, Field(max_length=2000)]
    type: Literal["router", "docker", "argo", "export"]
    args: dict[str, str] = {}
    artifacts: Artifacts | None = None
    task_destinations: list[Destination] = []
    export_destinations: list[Destination] = []


class Workflow(Strict):
    name: Annotated[str, Field(max_length=15)]
    version: str
    description: Annotated[str, Field(max_length=200)]
    informatics_gateway: Gateway
    tasks: list[Task]


class Module(Strict):
    docker_tag: str
    environment: Json[dict[str, str]]
    docker_arguments: Json[dict[str, Any]]
    comment: str
    requires_root: Literal[False]


class Rule(Strict):
    rule: str
    target: str
    action: Literal["route", "both", "process", "discard", "notification"]
    action_trigger: Literal["series", "study"]
    priority: Literal["normal", "urgent", "offpeak"]
    processing_module: str
    processing_retain_images: bool
    comment: str


class Mercure(Strict):
    modules: dict[str, Module]
    rules: dict[str, Rule]


def workflow(kind: str) -> Workflow:
    return Workflow.model_validate_json((DEPLOY / "monai" / f"clinical-workflow-{kind}.json").read_text())


@pytest.mark.parametrize("kind", ["docker", "argo"])
def test_clinical_workflow_runs_from_router_to_export(kind: str) -> None:
    flow = workflow(kind)
    tasks = {task.id: task for task in flow.tasks}
    assert [task.type for task in flow.tasks] == ["router", kind, "export"]
    for task in flow.tasks:
        assert {to.name for to in task.task_destinations} <= set(tasks)
        assert {to.name for to in task.export_destinations} <= set(flow.informatics_gateway.export_destinations)
    work, export = flow.tasks[1:]
    assert work.artifacts is not None
    assert export.artifacts is not None
    assert [one.value for one in work.artifacts.input] == ["{{ context.input.dicom }}"]
    (produced,) = work.artifacts.output
    (taken,) = export.artifacts.input
    assert taken.value == f"{{{{ context.executions.{work.id}.artifacts.{produced.name} }}}}"


def test_docker_task_has_what_its_plug_in_requires() -> None:
    task = workflow("docker").tasks[1]
    assert task.artifacts is not None
    required = {"server_url", "entrypoint", "command", "container_image", "temp_storage_container_path"}
    assert required <= set(task.args)
    # a volume's name is that of the variable that tells the app its place
    assert {one.name for one in [*task.artifacts.input, *task.artifacts.output]} <= set(task.args)


def test_argo_task_and_template_name_the_same_artifacts() -> None:
    task = workflow("argo").tasks[1]
    template = yaml.safe_load((DEPLOY / "argo" / "workflow-template.yaml").read_text())
    assert task.args["workflow_template_name"] == template["metadata"]["name"]
    (step,) = template["spec"]["templates"]
    assert task.artifacts is not None
    for side in ("inputs", "outputs"):
        here = [one.name for one in getattr(task.artifacts, side.removesuffix("s"))]
        assert here == [one["name"] for one in step[side]["artifacts"]]


def test_informatics_gateway_script_calls_the_commands_in_their_order(tmp_path: Path) -> None:
    """With a stand-in for mig-cli that writes down how it was called."""
    log = tmp_path / "log"
    stand_in = tmp_path / "mig-cli"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PACS_AET": "PACS", "PACS_HOST": "192.0.2.1"}
    subprocess.run([DEPLOY / "monai" / "informatics-gateway.sh"], env=environment, check=True, timeout=30)
    aet, source, destination = log.read_text().splitlines()
    flow = workflow("docker")
    assert aet == f"aet add --aetitle {flow.informatics_gateway.ae_title} --grouping 0020,000E --timeout 60 " + (
        f"--workflows {flow.name}"
    )
    assert source == "src add --name PACS --aetitle PACS --host-ip 192.0.2.1"
    assert destination == "dst add --name PACS --aetitle PACS --host-ip 192.0.2.1 --port 104"


class Tags(dict[str, str]):
    """mercure's view of a series: attributes by keyword; a missing one raises, which counts as no match."""

    def __getattr__(self, name: str) -> str:
        return self[name]


def applies(rule: str, **tags: str) -> bool:
    """Evaluate a rule as mercure does: an expression over ``tags``, without builtins."""
    expression = compile(ast.parse(rule, mode="eval"), "rule", "eval")
    try:
        return bool(eval(expression, {"__builtins__": {}}, {"tags": Tags(tags)}))  # noqa: S307 - our own file's rule
    except KeyError:
        return False


CT = {"Modality": "CT", "Manufacturer": "Any", "ImageType": "ORIGINAL\\PRIMARY\\AXIAL"}


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"ContrastBolusAgent": ""}, True),
        ({"ContrastBolusAgent": "Iopromide"}, False),
        ({"Modality": "MR"}, False),
        ({"Manufacturer": "PulmoMAP"}, False),
        ({"ImageType": "DERIVED\\SECONDARY\\AXIAL"}, False),
        ({"ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}, False),
    ],
)
def test_mercure_rule_takes_ct_without_contrast(change: dict[str, str], taken: bool) -> None:
    configuration = Mercure.model_validate_json((DEPLOY / "mercure" / "pulmomap.json").read_text())
    (rule,) = configuration.rules.values()
    assert rule.processing_module in configuration.modules
    assert applies(rule.rule, **{**CT, **change}) is taken


def test_mercure_module_is_locked() -> None:
    configuration = Mercure.model_validate_json((DEPLOY / "mercure" / "pulmomap.json").read_text())
    arguments = configuration.modules["pulmomap"].docker_arguments
    assert arguments["cap_drop"] == ["ALL"]
    assert arguments["network_mode"] == "none"
    assert arguments["read_only"] is True
