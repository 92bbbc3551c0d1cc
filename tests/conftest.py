"""Fixtures for the real components, started once a session, and the profiles of property tests.

A property test tries 100 cases, the same in every run. With `KEYWIRE_FUZZ=nightly` it tries 2,000 new ones. The
five tests in `tests/integration/test_fuzz*.py` thus send 500 inputs to the running app, or 10,000.
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


# A slow machine and a slow case are not failures.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("ci", _PATIENT, max_examples=100, derandomize=True)
settings.register_profile("nightly", _PATIENT, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("KEYWIRE_FUZZ") or "ci")


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Issue a certificate authority and a server certificate."""
    return certificates.issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
async def azurite(issued: Certificates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    """Run Azurite with HTTPS and bearer tokens only."""
    async with Azurite(tmp_path_factory.mktemp("azurite"), issued) as running:
        yield running


@pytest.fixture(scope="session")
async def insights(azurite: Azurite, issued: Certificates) -> AsyncIterator[InsightsStorage]:
    """Connect to an insights storage account as a deployment creates it."""
    async with storage.connect(
        blob_endpoint=azurite.blob_endpoint, queue_endpoint=azurite.queue_endpoint, authority=issued.authority
    ) as connected:
        await connected.provision()
        yield connected


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    """Run the whole local stack, with the function app on Microsoft's worker runtime."""
    # No timer of the app fires during a test.
    yearly = "0 0 0 1 1 *"
    async with LocalStack(settings={"RECONCILIATION_SCHEDULE": yearly, "HEALTH_SCHEDULE": yearly}) as running:
        yield running


@pytest.fixture(scope="session")
def real_indexes() -> Path:
    """The folder of real index documents, which are not part of the project."""
    if not REAL_INDEXES.is_dir():
        pytest.skip("KEYWIRE_REAL_INDEXES names no folder of real index documents")
    return REAL_INDEXES
