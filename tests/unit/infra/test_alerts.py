"""Alerts and the workbook: their queries use Keywire's metrics and the attributes of these."""

import ast
import json
import re
from collections import defaultdict
from functools import cache

import pytest

from emulators.framework.checkout import PROJECT
from tests.support.infra_variants import deployments
from tools.infra_check.deployment import Resource
from tools.infra_check.syntax import INFRA

DEPLOYMENTS = deployments()
RUNBOOK = {
    "poison-not-empty",
    "oldest-job-too-old",
    "callbacks-missed",
    "no-extraction",
    "throttled",
    "reconciliation-failed",
    "unhealthy",
    "event-grid-publish-failed",
}
# The frequencies and windows that Azure accepts, in minutes.
MINUTES = {"PT5M": 5, "PT15M": 15, "PT1H": 60, "PT6H": 360}


def alerts(variant: str = "everything") -> dict[str, Resource]:
    deployment = DEPLOYMENTS[variant]
    rules = deployment.of("Microsoft.Insights/scheduledQueryRules")
    return {rule.name: rule for rule in rules + deployment.of("Microsoft.Insights/metricAlerts")}


def queries() -> dict[str, str]:
    """Return the queries of the alerts and the workbook by name."""
    found = {}
    for rule in DEPLOYMENTS["everything"].of("Microsoft.Insights/scheduledQueryRules"):
        (criterion,) = rule.properties["criteria"]["allOf"]
        found[rule.name] = criterion["query"]
    for item in json.loads((INFRA / "workbook.json").read_text())["items"]:
        if item["type"] == 3:
            found[f"workbook: {item['name']}"] = item["content"]["query"]
    return found


@cache
def instruments() -> dict[str, set[str]]:
    """Return Keywire's metrics, each with the attributes that the code records it with."""
    names = {}
    for line in ast.parse((PROJECT / "keywire" / "telemetry" / "instruments.py").read_text()).body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.value, ast.Call) and line.value.args:
            name = line.value.args[0]
            if isinstance(name, ast.Constant) and str(name.value).startswith("keywire."):
                names[ast.unparse(line.target)] = str(name.value)
    attributes: dict[str, set[str]] = defaultdict(set)
    for path in [*(PROJECT / "keywire").rglob("*.py"), *(PROJECT / "handlers").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            called = (
                re.fullmatch(r"instruments\.(\w+)\.(add|record|set)", ast.unparse(node.func))
                if isinstance(node, ast.Call)
                else None
            )
            if called and called[1] in names:
                assert isinstance(node, ast.Call)
                given = next((each for each in node.args if isinstance(each, ast.Dict)), ast.Dict([], []))
                attributes[names[called[1]]] |= {ast.literal_eval(key) for key in given.keys if key}
    return attributes


def test_each_section_of_the_runbook_has_an_alert_rule_that_links_to_it() -> None:
    assert alerts().keys() == RUNBOOK
    for name, rule in alerts().items():
        assert rule.properties["description"].endswith(f" docs/operations.md#{name}")
        assert rule.properties["autoMitigate"] is True
        assert rule.properties["enabled"] is True
    assert alerts("nothing optional").keys() == RUNBOOK - {"event-grid-publish-failed"}


def test_each_rule_notifies_the_action_group_if_there_is_one() -> None:
    (group,) = DEPLOYMENTS["everything"].of("Microsoft.Insights/actionGroups")
    for rule in DEPLOYMENTS["everything"].of("Microsoft.Insights/scheduledQueryRules"):
        assert rule.properties["actions"] == {"actionGroups": [group.id]}
    (publish_failed,) = DEPLOYMENTS["everything"].of("Microsoft.Insights/metricAlerts")
    assert publish_failed.properties["actions"] == [{"actionGroupId": group.id}]
    for rule in DEPLOYMENTS["defaults"].of("Microsoft.Insights/scheduledQueryRules"):
        assert rule.properties["actions"] == {"actionGroups": []}
    assert not DEPLOYMENTS["defaults"].of("Microsoft.Insights/actionGroups")


@pytest.mark.parametrize(("name", "query"), queries().items(), ids=queries().keys())
def test_each_query_uses_existing_metrics_and_their_attributes(name: str, query: str) -> None:
    known = instruments()
    metrics = set(re.findall(r"'(keywire\.[a-z._]+)'", query))
    assert metrics <= known.keys()
    assert metrics or "customMetrics" not in query
    given = set().union(*(known[metric] for metric in metrics)) if metrics else set()
    assert set(re.findall(r"customDimensions\.(\w+)", query)) <= given
    assert not re.search(r"customDimensions\[", query)


def test_every_metric_is_in_an_alert_or_in_the_workbook() -> None:
    shown = {metric for query in queries().values() for metric in re.findall(r"'(keywire\.[a-z._]+)'", query)}
    assert shown == instruments().keys()


def test_the_query_of_a_rule_returns_the_column_and_the_dimensions_of_the_rule() -> None:
    for rule in DEPLOYMENTS["everything"].of("Microsoft.Insights/scheduledQueryRules"):
        properties = rule.properties
        (criterion,) = properties["criteria"]["allOf"]
        (projected,) = re.findall(r"^\| project (.*)$", criterion["query"], re.MULTILINE)
        columns = {column.split("=")[0].strip() for column in re.sub(r"\(.*?\)", "", projected).split(",")}
        assert columns == {"value", *(dimension["name"] for dimension in criterion["dimensions"])}
        assert criterion["metricMeasureColumn"] == "value"
        assert isinstance(criterion["threshold"], int)
        assert MINUTES[properties["evaluationFrequency"]] <= MINUTES[properties["windowSize"]]
        # Metrics are sent every five minutes: a window has at least two of them.
        assert MINUTES[properties["windowSize"]] >= 15
        # At the first deployment the table does not exist.
        assert properties["skipQueryValidation"] is True


def test_the_event_grid_alert_is_on_the_metric_of_the_topic() -> None:
    (rule,) = DEPLOYMENTS["everything"].of("Microsoft.Insights/metricAlerts")
    (topic,) = DEPLOYMENTS["everything"].of("Microsoft.EventGrid/topics")
    assert rule.properties["scopes"] == [topic.id]
    (criterion,) = rule.properties["criteria"]["allOf"]
    assert criterion["metricName"] == "PublishFailCount"


def test_the_workbook_is_deployed_from_its_file() -> None:
    (workbook,) = DEPLOYMENTS["defaults"].of("Microsoft.Insights/workbooks")
    content = json.loads(workbook.properties["serializedData"])
    assert content == json.loads((INFRA / "workbook.json").read_text())
    assert content["version"] == "Notebook/1.0"
    names = [item["name"] for item in content["items"]]
    assert len(names) == len(set(names))
