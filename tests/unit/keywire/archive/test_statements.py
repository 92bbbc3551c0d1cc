"""No SQL is built from text: every statement is a constant, made of constants."""

import ast
import hashlib
from pathlib import Path

import keywire.archive
from keywire.archive import schema, statements

FOLDER = Path(keywire.archive.__file__).parent
# Identifiers of roles and schemas cannot be parameters: psycopg quotes them.
WITH_IDENTIFIERS = {"grants.py"}


def constants(tree: ast.Module) -> set[str]:
    return {
        each.target.id
        for each in tree.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }


def test_a_statement_is_made_of_constants_only() -> None:
    tree = ast.parse((FOLDER / "statements.py").read_text())
    known = constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue):
            assert isinstance(node.value, ast.Name)
            assert node.value.id in known
        assert not isinstance(node, ast.Call | ast.FunctionDef), ast.unparse(node)


def test_only_constants_are_executed() -> None:
    executed = 0
    for path in sorted(FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in {"execute", "executemany"}:
                executed += 1
                statement = ast.unparse(node.args[0])
                assert (
                    isinstance(node.args[0], ast.Constant)
                    or statement.startswith("statements.")
                    or statement in {"statement", "migration", "_BEGIN"}
                    or (path.name in WITH_IDENTIFIERS and statement.startswith("sql.SQL("))
                ), f"{path.name}: {statement}"
            assert node.func.attr not in {"SQL", "Literal", "Composed"} or path.name in WITH_IDENTIFIERS
    assert executed > 20


def test_every_placeholder_is_named_and_typed() -> None:
    for name, statement in vars(statements).items():
        if isinstance(statement, str) and name.isupper() and not name.startswith("_"):
            for placeholder in statement.split("%(")[1:]:
                assert placeholder.partition(")s")[2].startswith(("::", ")")), (name, placeholder[:40])


def test_a_released_migration_is_never_edited() -> None:
    released: list[str] = []  # the first digits of each released migration's SHA-256
    current = [hashlib.sha256(each.encode()).hexdigest()[:12] for each in schema.MIGRATIONS]
    assert current[: len(released)] == released
