"""What is deployed, in a folder of its own: the app, and its packages as wheels for Azure.

Azure's own build is not used: it has built with another Python than the app runs on (Azure/azure-dev#8538),
and what it installs is decided on that day. Here `requirements.txt` decides, by hashes, and a package without
a wheel for Flex Consumption's Linux ends the packaging. uv and not pip: pip evaluates the requirements'
markers for the machine that it runs on, which may be a Mac.

azd runs this before it packages (azure.yaml) and uploads the folder as it is.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from emulators.framework.checkout import PROJECT

PACKAGE: Final = PROJECT / ".package"
# All there is to run the app; tests, docs and the local stack stay here.
APP: Final = ("function_app.py", "host.json", "requirements.txt", "handlers", "keywire")
# Where the Python worker looks for an app's packages.
SITE_PACKAGES: Final = Path(".python_packages") / "lib" / "site-packages"
# Azure runs x86-64 with a glibc newer than 2014's.
_TARGET: Final = ("--python-platform", "x86_64-manylinux2014", "--python-version", "3.13")


def main() -> int:
    """Build the folder anew and say what is in it."""
    build(PACKAGE)
    size = sum(path.stat().st_size for path in PACKAGE.rglob("*") if path.is_file())
    packages = len(list((PACKAGE / SITE_PACKAGES).glob("*.dist-info")))
    print(f"{PACKAGE.name}/ has the app and {packages} packages, {size / 1e6:.0f} MB")
    return 0


def build(folder: Path) -> None:
    """Make `folder` hold what is deployed, and nothing else.

    Raises:
        subprocess.CalledProcessError: A package can't be had, or not as a wheel for Azure.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in APP:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    install = (
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--only-binary",
        ":all:",
        *_TARGET,
    )
    into = ("--target", str(folder / SITE_PACKAGES), "--requirement", "requirements.txt")
    subprocess.run([sys.executable, *install, *into], cwd=PROJECT, check=True)


if __name__ == "__main__":
    sys.exit(main())
