"""A PostgreSQL for the session, and an empty archive for a test."""

from collections.abc import AsyncIterator

import pytest

from emulators import identity
from emulators.framework.certificates import Certificates
from emulators.postgres import Postgres
from tests.support.archives import OwnArchive, own_archive


@pytest.fixture(scope="session")
async def postgres(issued: Certificates) -> AsyncIterator[Postgres]:
    """A running PostgreSQL behind its TLS front."""
    async with Postgres(certificates=issued, identities={identity.NAME: identity.OBJECT_ID}) as running:
        yield running


@pytest.fixture
async def own(postgres: Postgres, issued: Certificates) -> AsyncIterator[OwnArchive]:
    """An empty archive."""
    async with own_archive(postgres, issued) as archive:
        yield archive
