"""azd, the workflows and the templates: parameters, variables and commands have the same names everywhere."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import dev
from emulators.framework.checkout import PROJECT
from tests.support.infra_variants import LEAST, deployments
from tools import package as packaging
from tools.infra_check import syntax
from tools.infra_check.deployment import deploy

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
AZURE = yaml.safe_load((PROJECT / "azure.yaml").read_text())
PARAMETERS = json.loads((PROJECT / "infra" / "main.parameters.json").read_text())["parameters"]
# A variable of azd; those that azd itself sets have no default.
REFERENCE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?:=(?P<default>[^}]*))?\}")


def workflow(name: str) -> dict[str, Any]:
    # YAML reads the key `on` as True.
    loaded: dict[str, Any] = yaml.safe_load((PROJECT / ".github" / "workflows" / name).read_text())
    return loaded


def variables() -> dict[str, tuple[str, str | None]]:
    """Return each parameter's variable of azd: its name and its default."""
    found = {}
    for parameter, entry in PARAMETERS.items():
        match = REFERENCE.fullmatch(entry["value"])
        assert match, parameter
        found[parameter] = (match["name"], match["default"])
    return found


def test_every_parameter_has_an_azd_variable_with_the_default_of_the_template() -> None:
    declared = syntax.read(PROJECT / "infra" / "main.bicep").parameters
    assert PARAMETERS.keys() == declared.keys()
    for name, (_, default) in variables().items():
        value = declared[name].value
        written = None if value is None else syntax.text_of(value).strip("'")
        # azd passes an empty value on, even if the template has a default.
        assert default == written, name


def test_an_output_never_becomes_an_input() -> None:
    outputs = syntax.read(PROJECT / "infra" / "main.bicep").outputs.keys()
    assert not outputs & {name for name, _ in variables().values()}


def test_a_parameter_value_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(syntax.BicepError, match="videoIndexerRole"):
        deploy(LEAST | {"videoIndexerRole": "owner"})


def test_azd_finds_the_app_by_its_tag() -> None:
    (service,) = AZURE["services"]
    for deployment in deployments().values():
        (app,) = deployment.of("Microsoft.Web/sites")
        assert app.body["tags"]["azd-service-name"] == service
        (group,) = deployment.of("Microsoft.Resources/resourceGroups")
        assert group.body["tags"] == {"azd-env-name": LEAST["environmentName"]}


def test_azd_uploads_the_local_package_and_azure_builds_nothing() -> None:
    (service,) = AZURE["services"].values()
    assert service["host"] == "function"
    assert service["language"] == "python"
    assert service["remoteBuild"] is False
    # The first version with remoteBuild; older ones build in Azure.
    assert AZURE["requiredVersions"]["azd"] == ">= 1.23.5"
    assert PROJECT / service["project"] / service["dist"] == packaging.PACKAGE
    assert service["hooks"]["prepackage"]["posix"]["run"] == "python3 dev.py package"
    assert service["dist"] + "/" in (PROJECT / ".gitignore").read_text().splitlines()


def test_the_deploy_workflow_passes_every_parameter_on() -> None:
    names = {name for name, _ in variables().values()}
    (job,) = workflow("deploy.yml")["jobs"].values()
    by_azd = {"AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}
    assert names - by_azd == job["env"].keys() - {
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_SUBSCRIPTION_ID",
    }
    assert set(AZURE["pipeline"]["variables"]) == {name for name in names if not name.startswith("AZURE_")}
    for name, default in variables().values():
        if not name.startswith("AZURE_"):
            fallback = f" || '{default}'" if default else ""
            assert job["env"][name] == f"${{{{ vars.{name}{fallback} }}}}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_least_permissions_pinned_actions_and_a_timeout(path: Path) -> None:
    loaded = workflow(path.name)
    assert loaded["permissions"]["contents"] == "read"
    assert loaded.keys() >= {"name", True, "jobs"}
    assert "secrets." not in path.read_text()
    for job in loaded["jobs"].values():
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"[A-Za-z-]+/[A-Za-z-]+@v\d+", step.get("uses", "a/b@v1"))


def test_each_workflow_runs_its_commands() -> None:
    def runs(name: str) -> str:
        jobs = workflow(name)["jobs"].values()
        return "\n".join(step["run"] for job in jobs for step in job["steps"] if "run" in step)

    tests = runs("tests.yml")
    for command in ("python3 dev.py check", "python3 dev.py test", "az bicep build", "az bicep lint"):
        assert command in tests
    deploy_runs = runs("deploy.yml")
    assert (
        deploy_runs.index("azd auth login")
        < deploy_runs.index("azd provision")
        < deploy_runs.index("azd deploy")
    )
    assert "--federated-credential-provider github" in deploy_runs
    assert workflow("deploy.yml")["permissions"]["id-token"] == "write"
    (nightly,) = workflow("nightly.yml")["jobs"].values()
    commands = nightly["strategy"]["matrix"]["command"]
    assert commands == ["chaos --videos 2000", "test -k fuzz"]
    assert {command.split()[0] for command in commands} <= dev.COMMANDS.keys()
    assert nightly["env"]["KEYWIRE_FUZZ"] == "nightly"


def test_after_provisioning_the_next_three_steps_are_printed() -> None:
    hook = AZURE["hooks"]["postprovision"]["posix"]["run"].split()
    environment = {name: str(value) for name, value in deploy(LEAST).outputs.items()}

    def printed(**variables: str) -> str:
        return subprocess.run(
            [sys.executable, *hook[1:]],
            cwd=PROJECT,
            env=environment | variables,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    steps = printed()
    assert re.findall(r"^(\d)\.", steps, re.MULTILINE) == ["1", "2", "3"]
    assert environment["KEYWIRE_CALLBACK_URL_COMMAND"] in steps
    assert f"--vault-name {environment['KEYWIRE_KEY_VAULT']}" in steps
    assert "{" not in steps
    with_signed_callbacks = printed(SIGN_CALLBACKS="true")
    assert "keyvault" not in with_signed_callbacks
    assert "/api/operations/backfill" in with_signed_callbacks


def test_the_callback_url_has_the_key_of_the_callback_function_only() -> None:
    command = deploy(LEAST).outputs["KEYWIRE_CALLBACK_URL_COMMAND"]
    assert "functionapp function keys list" in command
    assert "--function-name callback " in command
    # Users load outputs into a shell, which must not run a part of them.
    assert "$" not in command
    assert "`" not in command
