"""Fixtures: the real components, started once for the session; and how much is tried at random.

Property tests try 100 cases each, the same ones in every run. `KEYWIRE_FUZZ=nightly` makes that 2,000 new
ones. So the five tests in `tests/integration/test_fuzz*.py` send 500 inputs to the running app, or 10,000.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from emulators.azurite import Azurite
from emulators.framework import certificates
from emulators.framework.certificates import Certificates
from local import storage
from local.stack import LocalStack
from local.storage import InsightsStorage

REAL_INDEXES = Path(
    os.environ.get("KEYWIRE_REAL_INDEXES", Path(__file__).parents[2] / "shared" / "data" / "indexes")
)


# A busy machine is no reason to fail, nor is a case that takes its time.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("ci", _PATIENT, max_examples=100, derandomize=True)
settings.register_profile("nightly", _PATIENT, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("KEYWIRE_FUZZ") or "ci")


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate authority and a server certificate."""
    return certificates.issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
async def azurite(issued: Certificates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    """A running Azurite: HTTPS and bearer tokens only."""
    async with Azurite(tmp_path_factory.mktemp("azurite"), issued) as running:
        yield running


@pytest.fixture(scope="session")
async def insights(azurite: Azurite, issued: Certificates) -> AsyncIterator[InsightsStorage]:
    """The insights storage account as a deployment leaves it."""
    async with storage.connect(
        blob_endpoint=azurite.blob_endpoint, queue_endpoint=azurite.queue_endpoint, authority=issued.authority
    ) as connected:
        await connected.provision()
        yield connected


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    """The whole local stack, with the function app on Microsoft's worker runtime."""
    # No timer of ours fires while other things are tested.
    yearly = "0 0 0 1 1 *"
    async with LocalStack(settings={"RECONCILIATION_SCHEDULE": yearly, "HEALTH_SCHEDULE": yearly}) as running:
        yield running


@pytest.fixture(scope="session")
def real_indexes() -> Path:
    """Real index documents, where they are at hand; they are no part of the project."""
    if not REAL_INDEXES.is_dir():
        pytest.skip("the real index documents are not here")
    return REAL_INDEXES
