"""azd, the workflows and what is deployed: names that have to fit together, and a package that runs."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulators.framework.checkout import PROJECT
from tests.support.environment import COMPLETE
from tests.support.infra_variants import LEAST, deployments
from tools import package as packaging
from tools.infra_check import syntax
from tools.infra_check.deployment import deploy

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
AZURE = yaml.safe_load((PROJECT / "azure.yaml").read_text())
PARAMETERS = json.loads((PROJECT / "infra" / "main.parameters.json").read_text())["parameters"]
# An environment value of azd, with a default or, for what azd itself sets, without.
REFERENCE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?:=(?P<default>[^}]*))?\}")


def workflow(name: str) -> dict[str, Any]:
    # YAML takes the key `on` for a truth value.
    loaded: dict[str, Any] = yaml.safe_load((PROJECT / ".github" / "workflows" / name).read_text())
    return loaded


def variables() -> dict[str, tuple[str, str | None]]:
    """Each parameter's environment value: its name, and its default."""
    found = {}
    for parameter, entry in PARAMETERS.items():
        match = REFERENCE.fullmatch(entry["value"])
        assert match, parameter
        found[parameter] = (match["name"], match["default"])
    return found


def test_every_parameter_has_an_environment_value_of_azd_with_the_template_s_default() -> None:
    declared = syntax.read(PROJECT / "infra" / "main.bicep").parameters
    assert PARAMETERS.keys() == declared.keys()
    for name, (_, default) in variables().items():
        value = declared[name].value
        written = None if value is None else syntax.text_of(value).strip("'")
        # azd passes an empty text on even where the template has a default.
        assert default == written, name


def test_an_output_never_becomes_an_input() -> None:
    outputs = syntax.read(PROJECT / "infra" / "main.bicep").outputs.keys()
    assert not outputs & {name for name, _ in variables().values()}


def test_what_is_not_allowed_is_refused() -> None:
    with pytest.raises(syntax.BicepError, match="videoIndexerRole"):
        deploy(LEAST | {"videoIndexerRole": "owner"})


def test_azd_finds_the_app_by_its_tag() -> None:
    (service,) = AZURE["services"]
    for deployment in deployments().values():
        (app,) = deployment.of("Microsoft.Web/sites")
        assert app.body["tags"]["azd-service-name"] == service
        (group,) = deployment.of("Microsoft.Resources/resourceGroups")
        assert group.body["tags"] == {"azd-env-name": LEAST["environmentName"]}


def test_azd_uploads_the_package_that_is_made_here_and_builds_nothing_elsewhere() -> None:
    (service,) = AZURE["services"].values()
    assert service["host"] == "function"
    assert service["language"] == "python"
    assert service["remoteBuild"] is False
    # The first that knows that option; others would build in Azure.
    assert AZURE["requiredVersions"]["azd"] == ">= 1.23.5"
    assert PROJECT / service["project"] / service["dist"] == packaging.PACKAGE
    assert service["hooks"]["prepackage"]["posix"]["run"] == "python3 dev.py package"
    assert service["dist"] + "/" in (PROJECT / ".gitignore").read_text().splitlines()


def test_a_pipeline_passes_every_parameter_on() -> None:
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
def test_a_workflow_asks_for_little_pins_its_actions_and_ends(path: Path) -> None:
    loaded = workflow(path.name)
    assert loaded["permissions"]["contents"] == "read"
    assert loaded.keys() >= {"name", True, "jobs"}
    assert "secrets." not in path.read_text()
    for job in loaded["jobs"].values():
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"[A-Za-z-]+/[A-Za-z-]+@v\d+", step.get("uses", "a/b@v1"))


def test_the_workflows_run_what_they_are_for() -> None:
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
    assert nightly["strategy"]["matrix"]["command"] == ["chaos --videos 2000", "test -k fuzz"]
    assert nightly["env"]["KEYWIRE_FUZZ"] == "nightly"


def test_every_command_of_dev_py_that_is_run_is_one() -> None:
    commands = set(re.findall(r'^    "(\w+)": Command\(', (PROJECT / "dev.py").read_text(), re.MULTILINE))
    texts = [path.read_text() for path in (PROJECT / "azure.yaml", *WORKFLOWS)]
    run = {name for text in texts for name in re.findall(r"python3? dev\.py (\w+)", text)}
    (nightly,) = workflow("nightly.yml")["jobs"].values()
    run |= {command.split()[0] for command in nightly["strategy"]["matrix"]["command"]}
    assert run <= commands


def test_after_provisioning_the_next_three_things_to_do_are_printed() -> None:
    hook = AZURE["hooks"]["postprovision"]["posix"]["run"].split()
    environment = {name: str(value) for name, value in deploy(LEAST).outputs.items()}
    said = subprocess.run(
        [sys.executable, *hook[1:]], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"^(\d)\.", said, re.MULTILINE) == ["1", "2", "3"]
    assert environment["KEYWIRE_CALLBACK_URL_COMMAND"] in said
    assert f"--vault-name {environment['KEYWIRE_KEY_VAULT']}" in said
    assert "{" not in said
    signed = subprocess.run(
        [sys.executable, *hook[1:]],
        cwd=PROJECT,
        env=environment | {"SIGN_CALLBACKS": "true"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "keyvault" not in signed
    assert "/api/operations/backfill" in signed


def test_the_callback_url_comes_with_the_key_of_the_callback_alone() -> None:
    command = deploy(LEAST).outputs["KEYWIRE_CALLBACK_URL_COMMAND"]
    assert "functionapp function keys list" in command
    assert "--function-name callback " in command
    # Outputs are read into shells: nothing in them may run by itself.
    assert "$" not in command
    assert "`" not in command


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is deployed."""
    folder = tmp_path_factory.mktemp("package")
    packaging.build(folder)
    return folder


def test_the_package_has_the_app_and_wheels_for_azure_and_nothing_else(package: Path) -> None:
    assert {path.name for path in package.iterdir()} == {*packaging.APP, ".python_packages"}
    assert not list(package.glob("handlers/**/*.pyc"))
    libraries = list((package / packaging.SITE_PACKAGES).rglob("*.so"))
    assert libraries
    for library in libraries:
        assert re.search(r"\.cpython-313-x86_64-linux-gnu\.so$|\.abi3\.so$", library.name), library.name


@pytest.mark.skipif(
    (sys.platform, platform.machine(), sys.version_info[:2]) != ("linux", "x86_64", (3, 13)),
    reason="the wheels are for Azure: Linux on x86-64, Python 3.13",
)
def test_the_package_s_app_starts_with_its_own_packages_alone(package: Path) -> None:
    code = (
        "import json, sys, function_app\n"
        "names = sorted(function.get_function_name() for function in function_app.app.get_functions())\n"
        "files = sorted({m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)})\n"
        "print(json.dumps([names, files]))"
    )
    path = os.pathsep.join([str(package), str(package / packaging.SITE_PACKAGES)])
    ran = subprocess.run(
        # Without this environment's packages: only the standard library is there besides.
        [sys.executable, "-S", "-P", "-c", code],
        env=COMPLETE | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    names, files = json.loads(ran.stdout)
    assert {"callback", "extraction", "reconciliation", "health"} <= set(names)
    assert not [file for file in files if "site-packages" in file and not file.startswith(str(package))]
