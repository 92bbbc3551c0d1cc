"""Checkov's rules on `infra/`; each exception gives its reason at its line.

Checkov has its own environment: `dev.py` sets it up and puts its Python into `KEYWIRE_CHECKOV`. Checkov
takes longer to load than all other checks take to run, so it runs again only after a change of `infra/` or
of its lock file.
"""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from emulators.framework.checkout import PROJECT
from tools.infra_check.syntax import INFRA, files

_LOCK: Final = PROJECT / "requirements-checkov.txt"
_PASSED: Final = PROJECT / ".checkov" / ".passed.sha256"
# The rules are in the package: no download, and no report to the vendor.
_ARGUMENTS: Final = ("--framework", "bicep", "--skip-download", "--compact", "--output", "json")


def problems() -> list[str]:
    """Return what checkov finds wrong, a sentence each."""
    state = _state()
    if _PASSED.exists() and _PASSED.read_text() == state:
        return []
    found = judge(_run(Path(os.environ["KEYWIRE_CHECKOV"])))
    if not found:
        _PASSED.write_text(state)
    return found


def judge(report: dict[str, Any]) -> list[str]:
    """Return the failures, unreadable files and exceptions without a reason in checkov's report."""
    results, summary = report.get("results", {}), report.get("summary", {})
    found = [
        f"infra{check['file_path']}: {check['check_id']} {check['check_name']} ({check['resource']})"
        for check in results.get("failed_checks", [])
    ]
    found += [f"checkov can't read {path}" for path in results.get("parsing_errors", [])]
    found += [
        f"infra{check['file_path']}: the exception {check['check_id']} has no reason"
        for check in results.get("skipped_checks", [])
        if not str(check["check_result"].get("suppress_comment") or "").strip()
    ]
    if not summary.get("passed"):
        found.append("checkov checked nothing")
    return found


def _run(python: Path) -> dict[str, Any]:
    command = [str(python), "-m", "checkov.main", "--directory", str(INFRA), *_ARGUMENTS]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300)
    try:
        report: dict[str, Any] = json.loads(ran.stdout)
    except json.JSONDecodeError:
        raise RuntimeError(f"checkov's output is not JSON; its errors: {ran.stderr[-2000:]}") from None
    return report


def _state() -> str:
    digest = hashlib.sha256()
    for path in (_LOCK, Path(__file__), *files()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
