"""The deployed package: wheels for Azure from the package index, and an app that starts on them."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import COMPLETE
from tools import package as packaging


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    packaging.build(folder)
    return folder


def test_the_package_has_the_app_and_wheels_for_azure_only(package: Path) -> None:
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
def test_the_packaged_app_starts_on_its_own_packages(package: Path) -> None:
    code = (
        "import json, sys, function_app\n"
        "names = sorted(function.get_function_name() for function in function_app.app.get_functions())\n"
        "files = sorted({m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)})\n"
        "print(json.dumps([names, files]))"
    )
    path = os.pathsep.join([str(package), str(package / packaging.SITE_PACKAGES)])
    ran = subprocess.run(
        # Without site-packages: apart from the package there is only the standard library.
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


def test_a_package_that_cannot_be_installed_is_one_error_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packaging, "PACKAGE", tmp_path / "package")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    assert packaging.main([]) == 1
    errors = capfd.readouterr().err
    assert "error: " in errors
    assert errors.splitlines()[-1].startswith("package: uv could not install requirements.txt (see above). ")
