"""Checkov on `infra/`: others' rules, each exception explained at its line.

Checkov lives in an environment of its own, which `dev.py` sets up and names in `KEYWIRE_CHECKOV`. Loading it
takes longer than all other checks together, so what passed is not looked at again until a file of `infra/`
or checkov itself changes.
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
# Its rules come with it; nothing is asked of, or told to, anybody.
_ARGUMENTS: Final = ("--framework", "bicep", "--skip-download", "--compact", "--output", "json")


def problems() -> list[str]:
    """What checkov finds wrong, a sentence each."""
    state = _state()
    if _PASSED.exists() and _PASSED.read_text() == state:
        return []
    found = judge(_run(Path(os.environ["KEYWIRE_CHECKOV"])))
    if not found:
        _PASSED.write_text(state)
    return found


def judge(report: dict[str, Any]) -> list[str]:
    """What is wrong, by checkov's report: failures, files it could not read, exceptions without a reason."""
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
        raise RuntimeError(f"checkov said nothing that can be read: {ran.stderr[-2000:]}") from None
    return report


def _state() -> str:
    digest = hashlib.sha256()
    for path in (_LOCK, Path(__file__), *files()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
