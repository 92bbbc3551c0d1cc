"""The archive in PostgreSQL, for those who need all of it; a function needs the writer or the reader alone."""

from typing import TYPE_CHECKING

from keywire.archive.explorer import PostgresExplorer
from keywire.archive.reader import PostgresReader
from keywire.archive.writer import PostgresWriter

if TYPE_CHECKING:
    from keywire.archive.connection import Connections


class PostgresSearch(PostgresReader, PostgresExplorer):
    """The reading half of `keywire.archive.archive.Archive`.

    Args:
        connections: Connections that only read.
    """

    def __init__(self, connections: "Connections") -> None:
        PostgresReader.__init__(self, connections)
        PostgresExplorer.__init__(self, connections)


class PostgresArchive(PostgresWriter, PostgresSearch):
    """The archive (`keywire.archive.archive.Archive`).

    Args:
        writers: Connections that may write.
        readers: Connections that only read.
    """

    def __init__(self, writers: "Connections", readers: "Connections") -> None:
        PostgresWriter.__init__(self, writers)
        PostgresSearch.__init__(self, readers)
