"""The archive's schema: numbered migrations, applied once under an advisory lock.

A migration is never edited after a release. An instance of an older release works on a newer schema, because
migrations only add.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from psycopg import AsyncConnection

SCHEMA: Final = "archive"
# Searching switches to this role, which reads and nothing else. `dev.py archive grant` creates it.
READER_ROLE: Final = "keywire_archive_reader"
# "keywire" and a number, as advisory lock keys of one database are shared by all its users.
MIGRATION_LOCK: Final = 0x6B657977_00000001
WRITER_LOCK: Final = 0x6B657977_00000002

# Ids are 64-bit hashes (`keywire.archive.text.key_of`), so nothing refers to a sequence, and `video` can be the
# distribution column of an elastic cluster. `keyword` is the dictionary: a text of a language with its index tokens.
_TABLES: Final = """
create table archive.video(
  video bigint primary key,
  account_id text not null,
  video_id text not null,
  version integer not null,
  content_hash text collate "C" not null,
  tokens_version integer not null,
  extracted_at timestamptz not null,
  taken timestamptz not null default clock_timestamp(),
  created timestamptz not null,
  created_known boolean not null,
  removed boolean not null,
  state text not null,
  name text,
  external_id text,
  language text,
  seconds real,
  metadata jsonb not null,
  sources text[],
  cut integer not null
);
create index video_created on archive.video(created desc, video) where not removed;

create table archive.keyword(
  keyword bigint primary key,
  language text collate "C" not null,
  text text collate "C" not null,
  normalized text collate "C" not null,
  tokens_version integer not null,
  words tsvector not null
);
create index keyword_words on archive.keyword using gin(words) with (fastupdate = off);
create index keyword_normalized on archive.keyword(normalized);

create table archive.language(language text collate "C" primary key);

create table archive.occurrence(
  video bigint not null,
  keyword bigint not null,
  created timestamptz not null,
  weight integer not null,
  milliseconds integer not null,
  confidence smallint,
  ranges integer[] not null,
  parts smallint[],
  primary key (keyword, video) include (weight, created, confidence, milliseconds)
);
create index occurrence_video on archive.occurrence(video);
create index occurrence_created on archive.occurrence(created) include (keyword);
-- The best occurrences by themselves: a common word's first results come from here (see `statements`).
create index occurrence_strong on archive.occurrence(keyword, video)
  include (weight, created, confidence, milliseconds) where weight >= 1000;
create index occurrence_strongest on archive.occurrence(keyword, video)
  include (weight, created, confidence, milliseconds) where weight >= 2000;

-- Keywords that a video lost: the next collection deletes those that no other video has.
create table archive.vanished(keyword bigint not null);
"""

_READER: Final = """
do $$ begin
  if exists (select from pg_roles where rolname = 'keywire_archive_reader') then
    grant select on all tables in schema archive to keywire_archive_reader;
    alter default privileges in schema archive grant select on tables to keywire_archive_reader;
  end if;
end $$;
"""

MIGRATIONS: Final = (_TABLES + _READER,)

_BEGIN: Final = """
create table archive.migration(
  number integer primary key, applied timestamptz not null default clock_timestamp()
);
"""


async def migrate(connection: "AsyncConnection") -> int:
    """Apply the migrations that the database does not have; return how many there were.

    One transaction: a failure leaves the schema as it was, and other instances wait for the lock.

    Raises:
        psycopg.Error: The database refused or could not be reached.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        found = await connection.execute("select to_regclass('archive.migration') is not null")
        if not (row := await found.fetchone()) or not row[0]:
            found = await connection.execute("select to_regnamespace('archive') is not null")
            if not (row := await found.fetchone()) or not row[0]:
                await connection.execute("create schema archive")
            await connection.execute(_BEGIN)
        found = await connection.execute("select coalesce(max(number), 0) from archive.migration")
        applied = row[0] if (row := await found.fetchone()) else 0
        for number, migration in enumerate(MIGRATIONS[applied:], applied + 1):
            await connection.execute(migration)
            await connection.execute("insert into archive.migration(number) values (%s)", [number])
        return max(0, len(MIGRATIONS) - applied)
