"""`tools.infra_check`: the evaluation of Bicep files, and the reading of checkov's report."""

from pathlib import Path
from typing import Any

import pytest

from tools.infra_check import checkov, known_at_start, syntax
from tools.infra_check.deployment import Deployment, deploy
from tools.infra_check.syntax import BicepError

PASSED = {
    "summary": {"passed": 3},
    "results": {"failed_checks": [], "skipped_checks": [], "parsing_errors": []},
}
FAILED_CHECK = {"check_id": "CKV_1", "check_name": "No keys", "file_path": "/main.bicep", "resource": "a.b"}


@pytest.fixture
def template(tmp_path: Path) -> Any:
    count = iter(range(100))

    def write(source: str, **parameters: Any) -> Deployment:
        # A file of its own, because `read` caches by path.
        path = tmp_path / f"{next(count)}.bicep"
        path.write_text(source)
        return deploy(parameters, path)

    return write


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'it\\'s ${a.b} '", "it's c "),
        ("x ? 'yes' : a.b", "yes"),
        ("!x ? 'yes' : a.b", "c"),
        ("x && !empty(a) && a.b == 'c'", True),
        ("[for (each, i) in ['p', 'q']: '${each}${i}']", ["p0", "q1"]),
        ("union(a, { d: 1 }, x ? {} : { e: 2 })", {"b": "c", "d": 1}),
        ("concat(['p'], x ? ['q'] : [])", ["p", "q"]),
        ("split('/a/b', '/')[2]", "b"),
        ("items({ z: 1, y: 2 })", [{"key": "y", "value": 2}, {"key": "z", "value": 1}]),
        ("'''\nraw ${a}\n'''", "raw ${a}\n"),
        ("n + 1", 3),
    ],
)
def test_an_expression_has_the_value_that_bicep_gives_it(template: Any, expression: str, value: Any) -> None:
    source = f"param x bool\nvar n = 2\nvar a = {{\n  b: 'c'\n}}\noutput it string = {expression}\n"
    assert template(source, x=True).outputs["it"] == value


def test_a_value_that_only_azure_knows_is_unknown_and_no_condition_can_use_it(template: Any) -> None:
    resource = "resource r 'A/b@2024-01-01' = {\n  name: 'n'\n}\n"
    made = template(
        resource + "output it string = 'https://${r.properties.host}/x'\noutput id string = r.id\n"
    )
    assert made.outputs["it"] == "https://<r.properties.host>/x"
    assert made.outputs["id"].endswith("/providers/A/b/n")
    with pytest.raises(BicepError, match="can't be decided"):
        template(resource + "output it string = r.properties.on ? 'a' : 'b'\n")


def test_loops_conditions_and_references_create_their_resources(template: Any) -> None:
    made = template(
        """
param on bool
resource old 'A/b@2024-01-01' existing = {
  name: 'old'
}
resource each 'A/b/c@2024-01-01' = [for name in ['p', 'q']: {
  parent: old
  name: name
}]
resource extension 'X/y@2024-01-01' = if (on) {
  name: 'on'
  scope: each[1]
}
resource off 'X/y@2024-01-01' = if (!on) {
  name: 'off'
}
""",
        on=True,
    )
    assert [resource.names for resource in made.resources] == [("old", "p"), ("old", "q"), ("on",)]
    assert made.resources[2].home.endswith("/providers/A/b/old/c/q")


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({}, "parameter x is missing"),
        ({"x": "c"}, "violates @allowed"),
        ({"x": 1}, "not of type string"),
        ({"x": "a", "y": "b"}, "no parameter y"),
    ],
)
def test_parameters_that_bicep_refuses_are_refused(
    template: Any, parameters: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BicepError, match=problem):
        template("@allowed([\n  'a'\n  'b'\n])\nparam x string\n", **parameters)


def test_an_unknown_name_or_function_is_refused(template: Any) -> None:
    with pytest.raises(BicepError, match="nowhere is not declared"):
        template("output it string = nowhere\n")
    with pytest.raises(BicepError, match="the function listKeys is not implemented"):
        template("output it string = listKeys('a', 'b')\n")


RESOURCE = "resource r 'A/b@2024-01-01' = {\n  name: 'n'\n}\n"


@pytest.mark.parametrize(
    ("source", "late"),
    [
        ("resource s 'A/b@2024-01-01' = {\n  name: r.properties.x\n}\n", "r.properties"),
        ("var v = {\n  x: r.properties.x\n}\nvar w = [for i in items(v): i.key]\n", "r.properties"),
        ("resource s 'A/b@2024-01-01' = if (empty(r.location)) {\n  name: 's'\n}\n", "r.location"),
        (
            "resource s 'A/b@2024-01-01' = {\n  name: 's'\n  p: [for i in r.properties: i]\n}\n",
            "r.properties",
        ),
        ("module m 'm.bicep' = {\n  name: 'm'\n}\nvar w = [for i in m.outputs.x: i]\n", "m.outputs"),
        (
            "var v = guid(r.id, r.name)\nresource s 'A/b@1' = {\n  name: v\n  p: r.properties.x\n}\n",
            None,
        ),
    ],
)
def test_a_value_that_is_needed_too_early_is_found(tmp_path: Path, source: str, late: str | None) -> None:
    path = tmp_path / "early.bicep"
    path.write_text(RESOURCE + source)
    found = known_at_start.problems(path)
    assert (found == []) if late is None else (f": {late} is known only after the deployment" in found[0])


@pytest.mark.parametrize("source", ["resource r 'A/b@1' = {\n", "param = 1\n", "var a = [1 2\n"])
def test_a_syntax_error_is_reported_with_its_line(tmp_path: Path, source: str) -> None:
    path = tmp_path / "broken.bicep"
    path.write_text(source)
    assert syntax.problems(path)
    with pytest.raises(BicepError, match=r"broken\.bicep:\d+: not Bicep"):
        syntax.read(path)


def test_a_checkov_report_is_good_if_a_check_passed_and_none_failed() -> None:
    assert checkov.judge(PASSED) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"summary": {"passed": 0}}, "checkov checked nothing"),
        ({"results": {"failed_checks": [FAILED_CHECK]}}, "infra/main.bicep: CKV_1 No keys (a.b)"),
        ({"results": {"parsing_errors": ["x.bicep"]}}, "checkov can't read x.bicep"),
        (
            {"results": {"skipped_checks": [FAILED_CHECK | {"check_result": {"suppress_comment": " "}}]}},
            "infra/main.bicep: the exception CKV_1 has no reason",
        ),
    ],
)
def test_every_other_checkov_report_has_a_problem(change: dict[str, Any], problem: str) -> None:
    assert checkov.judge(PASSED | change) == [problem]
