"""All SQL of the archive, except its schema. Constants only: values travel as parameters, never as statement text.

Reading, what a search costs. `keyword = any(array(select …))` makes PostgreSQL look up exactly the keywords that the
dictionary's index finds; a join makes it scan. A common word is in many thousand occurrences, so a search for one word
reads the strongest occurrences first (partial indexes) and reads all of them only if those are too few. That gives
the same order, because a video ranks by its strongest occurrence of the word.

Writing. Writers lock rows in one order of phases, and sorted inside each: videos, languages, keywords, occurrences.
So they never wait for each other in a circle. They share an advisory lock that a collection takes alone.
"""

from typing import Final

# Which occurrences count.
_COUNTS: Final = """
  (%(created_from)s::timestamptz is null or o.created >= %(created_from)s::timestamptz)
  and (%(created_to)s::timestamptz is null or o.created < %(created_to)s::timestamptz)
  and (%(min_confidence)s::int is null or coalesce(o.confidence, 5000) >= %(min_confidence)s::int)
  and (%(min_milliseconds)s::int is null or o.milliseconds >= %(min_milliseconds)s::int)
"""
_LANGUAGE_COUNTS: Final = "(%(languages)s::text[] is null or k.language = any(%(languages)s::text[]))"

# Which videos count.
_VIDEO_COUNTS: Final = """
  (%(account_id)s::text is null or v.account_id = %(account_id)s::text)
  and (%(external_id)s::text is null or v.external_id = %(external_id)s::text)
  and (%(metadata)s::jsonb is null or v.metadata @> %(metadata)s::jsonb)
  and (%(states)s::text[] is null or v.state = any(%(states)s::text[]))
"""
_OF_VIDEO: Final = f"""
  (not %(by_video)s::boolean or exists (
    select from archive.video v where v.video = o.video and {_VIDEO_COUNTS}))
"""

# An exact term: its spelling occurs in the text, and `SPELLINGS` did not find it inside a longer word.
_SPELLED: Final = """
  (t.exact is null or (strpos(k.text, t.exact) > 0 and k.keyword <> all(t.excluded::bigint[])))
"""

_AFTER: Final = """
  (%(after_key)s::bigint is null or (-key, video) > (-(%(after_key)s::bigint), %(after_video)s::bigint))
"""

_HITS: Final = """
  select o.video, max(o.weight)::bigint as key from archive.occurrence o
  where o.keyword = any((select keywords from wanted)::bigint[])
"""

# The texts in which an exact term may occur.
SPELLINGS: Final = """
select k.keyword, k.text from archive.keyword k
where k.words @@ %(query)s::tsquery and strpos(k.text, %(exact)s::text) > 0
"""

LANGUAGES: Final = "select language from archive.language"

# One term, best first. `strongest` and `strong` decide alone if they fill the page and reach the total's bound.
SEARCH_WORD: Final = f"""
with wanted as materialized (
  select array(
    select k.keyword from archive.keyword k
    where k.words @@ (%(queries)s::text[])[1]::tsquery and {_LANGUAGE_COUNTS}
      and ((%(exacts)s::text[])[1] is null or (
        strpos(k.text, (%(exacts)s::text[])[1]) > 0
        and k.keyword <> all((%(exclusions)s::text[])[1]::bigint[])))
  ) as keywords
), strongest as materialized (
  {_HITS} and o.weight >= 2000 and {_COUNTS} and {_OF_VIDEO} group by o.video
), first as materialized (
  select count(*) > %(bound)s::int and count(*) filter (where {_AFTER}) > %(limit)s::int as enough from strongest
), strong as materialized (
  {_HITS} and o.weight >= 1000 and {_COUNTS} and {_OF_VIDEO} and not (select enough from first) group by o.video
), second as materialized (
  select count(*) > %(bound)s::int and count(*) filter (where {_AFTER}) > %(limit)s::int as enough from strong
), every as materialized (
  {_HITS} and {_COUNTS} and {_OF_VIDEO}
  and not (select enough from first) and not (select enough from second) group by o.video
), found as (
  select video, key from strongest where (select enough from first)
  union all select video, key from strong where (select enough from second)
  union all select video, key from every
)
select video, key, (
  case when (select enough from first) or (select enough from second) then %(bound)s::int + 1
  else (select count(*) from every) end
)::int as total, key as weight
from found where {_AFTER} order by key desc, video limit %(limit)s::int + 1
"""

# Any query. A term's `best` packs weight and keyword, so that a keyword that two terms meet counts once in the sum.
_SEARCH_TERMS: Final = f"""
with term as materialized (
  select * from unnest(
    %(groups)s::int[], %(negated)s::boolean[], %(queries)s::text[], %(exacts)s::text[], %(exclusions)s::text[]
  ) as t(grp, negated, query, exact, excluded)
), hit as materialized (
  select t.grp, t.negated, h.video, h.best, h.created from term t cross join lateral (
    select o.video, max((o.weight::bigint << 40) | (o.keyword & 68719476735)) as best, max(o.created) as created
    from archive.occurrence o
    where o.keyword = any(array(
      select k.keyword from archive.keyword k
      where k.words @@ t.query::tsquery and {_SPELLED}
        and (t.negated or {_LANGUAGE_COUNTS})
    )) and (t.negated or ({_COUNTS}))
    group by o.video
  ) h
), size as (
  select grp, count(*) as terms from term where not negated group by grp
), met as materialized (
  select h.grp, h.video from hit h where not h.negated group by h.grp, h.video
  having count(*) = (select s.terms from size s where s.grp = h.grp)
), kept as materialized (
  select o.grp, o.video from met o
  where not exists (select from hit n where n.negated and n.grp = o.grp and n.video = o.video) and {_OF_VIDEO}
), found as materialized (
  select h.video, (sum(distinct h.best)::bigint >> 40) as weight, max(h.created) as created
  from hit h join kept using (grp, video) where not h.negated group by h.video
)
"""
_TOTAL: Final = "(select count(*) from (select from found limit %(bound)s::int + 1) counted)::int as total"

SEARCH_BEST: Final = f"""
{_SEARCH_TERMS}, keyed as (select video, weight as key from found)
select video, key, {_TOTAL}, key as weight from keyed
where {_AFTER} order by key desc, video limit %(limit)s::int + 1
"""

# The key is the creation in microseconds.
SEARCH_NEWEST: Final = f"""
{_SEARCH_TERMS}, keyed as (
  select video, weight, (extract(epoch from created) * 1000000)::bigint as key from found
)
select video, key, {_TOTAL}, weight from keyed
where {_AFTER} order by key desc, video limit %(limit)s::int + 1
"""

BROWSE: Final = f"""
with found as (
  select v.video, v.created from archive.video v where not v.removed and {_VIDEO_COUNTS}
  and (%(languages)s::text[] is null or v.language is null or v.language = any(%(languages)s::text[]))
  and (%(created_from)s::timestamptz is null or v.created >= %(created_from)s::timestamptz)
  and (%(created_to)s::timestamptz is null or v.created < %(created_to)s::timestamptz)
)
select video, (extract(epoch from created) * 1000000)::bigint as key, {_TOTAL}, null::bigint as weight from found
where %(after_key)s::bigint is null
  or created < timestamptz 'epoch' + %(after_key)s::bigint * interval '1 microsecond'
  or (created = timestamptz 'epoch' + %(after_key)s::bigint * interval '1 microsecond'
      and video > %(after_video)s::bigint)
order by created desc, video limit %(limit)s::int + 1
"""

VIDEOS: Final = """
select video, account_id, video_id, name, external_id, language, state, created, created_known, seconds, sources
from archive.video where video = any(%(videos)s::bigint[]) and not removed
"""

# The moments of a page's videos, the best ones of each; `terms` are the indexes of the terms that they meet.
MOMENTS: Final = f"""
select m.* from unnest(%(videos)s::bigint[]) as page(video) cross join lateral (
  select o.video, k.text, k.language, o.confidence, o.milliseconds, o.weight, o.ranges, o.parts, k.terms,
    count(*) over () as moments
  from archive.occurrence o join lateral (
    select k.text, k.language, k.keyword, array(
      select (t.number - 1)::int
      from unnest(%(queries)s::text[], %(exacts)s::text[], %(exclusions)s::text[])
        with ordinality as t(query, exact, excluded, number)
      where k.words @@ t.query::tsquery and {_SPELLED}
    ) as terms
    from archive.keyword k where k.keyword = o.keyword and {_LANGUAGE_COUNTS}
  ) k on true
  where o.video = page.video and (%(all_moments)s::boolean or cardinality(k.terms) > 0) and {_COUNTS}
    and (%(only)s::bigint[] is null or o.keyword = any(%(only)s::bigint[]))
  order by o.weight desc, o.keyword limit %(moments)s::int
) m
"""

# Keywords that begin with what was typed, and keywords with a word that begins so.
SUGGEST: Final = """
with near as (
  (select k.keyword, k.normalized, k.text from archive.keyword k
   where k.normalized >= %(from)s::text and k.normalized < %(to)s::text
   order by k.normalized limit %(suggested)s::int)
  union
  (select k.keyword, k.normalized, k.text from archive.keyword k
   where k.words @@ %(query)s::tsquery limit %(suggested)s::int)
), counted as (
  select n.normalized, n.text, (
    select count(*) from (
      select from archive.occurrence o where o.keyword = n.keyword limit %(counted)s::int) o
  )::int as videos
  from near n
)
select (array_agg(text order by videos desc, text))[1], sum(videos)::int as videos
from counted where videos > 0 group by normalized
order by videos desc, normalized limit %(limit)s::int
"""

# Two periods of the same length. `z` is the difference of the shares over its standard error: it is high for a rise
# that chance does not explain, whatever the size of the periods.
_COUNTED: Final = """
  from archive.occurrence o join archive.video v using (video) join archive.keyword k using (keyword)
  where v.created_known
"""
TRENDS: Final = f"""
with total as (
  select count(*) filter (where created >= %(since)s::timestamptz) as now,
    count(*) filter (where created < %(since)s::timestamptz) as before
  from archive.video where created >= %(before)s::timestamptz and created < %(until)s::timestamptz
    and created_known and not removed
), counted as (
  select k.normalized, min(k.text) as text,
    count(distinct o.video) filter (where o.created >= %(since)s::timestamptz) as now,
    count(distinct o.video) filter (where o.created < %(since)s::timestamptz) as before
  {_COUNTED} and o.created >= %(before)s::timestamptz and o.created < %(until)s::timestamptz
  group by k.normalized
), shared as (
  select c.*, t.now as all_now, t.before as all_before,
    c.now::float / greatest(t.now, 1) - c.before::float / greatest(t.before, 1) as rise,
    (c.now + c.before)::float / greatest(t.now + t.before, 1) as share
  from counted c cross join total t where c.now >= %(min_videos)s::int
)
select normalized, text, now::int, before::int, all_now::int, all_before::int
from shared where rise > 0
order by rise / sqrt(greatest(share * (1 - share), 1e-9)
  * (1.0 / greatest(all_now, 1) + 1.0 / greatest(all_before, 1))) desc, normalized
limit %(limit)s::int
"""

TREND_DAYS: Final = f"""
select k.normalized, (o.created at time zone 'UTC')::date as day, count(distinct o.video)::int
{_COUNTED} and k.normalized = any(%(normalized)s::text[])
  and o.created >= %(since)s::timestamptz and o.created < %(until)s::timestamptz
group by 1, 2 order by 1, 2
"""

SPELLED_ALIKE: Final = """
select k.keyword, k.text from archive.keyword k where k.normalized = %(normalized)s::text order by k.text
"""

MONTHS: Final = """
select date_trunc('month', o.created at time zone 'UTC')::date as month, count(distinct o.video)::int
from archive.occurrence o where o.keyword = any(%(keywords)s::bigint[]) group by 1 order by 1
"""

BEST_VIDEOS: Final = """
select o.video, max(o.weight)::bigint as weight from archive.occurrence o
where o.keyword = any(%(keywords)s::bigint[]) group by o.video order by weight desc, o.video limit %(limit)s::int
"""

COMPANIONS: Final = """
with best as (
  select o.video, max(o.weight) from archive.occurrence o where o.keyword = any(%(keywords)s::bigint[])
  group by o.video order by 2 desc, o.video limit %(sampled)s::int
)
select min(k.text), count(distinct o.video)::int as videos
from best join archive.occurrence o using (video) join archive.keyword k using (keyword)
where not k.keyword = any(%(keywords)s::bigint[])
group by k.normalized order by videos desc, k.normalized limit %(most)s::int
"""

SHARE_WRITER_LOCK: Final = "select pg_advisory_xact_lock_shared(%(lock)s::bigint)"
TAKE_WRITER_LOCK: Final = "select pg_advisory_xact_lock(%(lock)s::bigint)"

# Returns the videos whose stored version this one replaces. `xmax` is 0 in a row that was inserted.
PUT_VIDEOS: Final = """
insert into archive.video as v(
  video, account_id, video_id, version, content_hash, tokens_version, extracted_at, created, created_known,
  removed, state, name, external_id, language, seconds, metadata, sources, cut)
select video, account_id, video_id, version, content_hash, %(tokens_version)s::int, extracted_at, created,
  created_known, removed, state, name, external_id, language, seconds, metadata::jsonb, sources::text[], cut
from unnest(
  %(video)s::bigint[], %(account_id)s::text[], %(video_id)s::text[], %(version)s::int[], %(content_hash)s::text[],
  %(extracted_at)s::timestamptz[], %(created)s::timestamptz[], %(created_known)s::boolean[],
  %(removed)s::boolean[], %(state)s::text[], %(name)s::text[], %(external_id)s::text[], %(language)s::text[],
  %(seconds)s::real[], %(metadata)s::text[], %(sources)s::text[], %(cut)s::int[]
) as x(video, account_id, video_id, version, content_hash, extracted_at, created, created_known, removed, state,
  name, external_id, language, seconds, metadata, sources, cut)
on conflict (video) do update set
  version = excluded.version, content_hash = excluded.content_hash, tokens_version = excluded.tokens_version,
  extracted_at = excluded.extracted_at, created = excluded.created, created_known = excluded.created_known,
  removed = excluded.removed, state = excluded.state, name = excluded.name, external_id = excluded.external_id,
  language = excluded.language, seconds = excluded.seconds, metadata = excluded.metadata,
  sources = excluded.sources, cut = excluded.cut
where (v.version, v.extracted_at, v.content_hash, v.tokens_version)
  < (excluded.version, excluded.extracted_at, excluded.content_hash, excluded.tokens_version)
returning video, xmax = 0 as fresh
"""

VERSIONS: Final = "select video, version from archive.video where video = any(%(videos)s::bigint[])"

STORED_VERSIONS: Final = """
select video_id, version, content_hash, tokens_version from archive.video where video = any(%(videos)s::bigint[])
"""

MISSING_KEYWORDS: Final = """
select x.keyword from unnest(%(keywords)s::bigint[]) as x(keyword)
where not exists (
  select from archive.keyword k where k.keyword = x.keyword and k.tokens_version >= %(tokens_version)s::int)
"""

PUT_LANGUAGES: Final = """
insert into archive.language(language)
select x.language from unnest(%(languages)s::text[]) as x(language) order by 1 on conflict do nothing
"""

PUT_KEYWORDS: Final = """
insert into archive.keyword as k(keyword, language, text, normalized, tokens_version, words)
select x.keyword, x.language, x.text, x.normalized, %(tokens_version)s::int, x.words::tsvector
from unnest(
  %(keyword)s::bigint[], %(language)s::text[], %(text)s::text[], %(normalized)s::text[], %(words)s::text[]
) as x(keyword, language, text, normalized, words)
on conflict (keyword) do update
set normalized = excluded.normalized, tokens_version = excluded.tokens_version, words = excluded.words
where k.tokens_version < excluded.tokens_version
"""

# Returns how many keywords the videos lost.
DELETE_VANISHED: Final = """
with vanished as (
  delete from archive.occurrence o where o.video = any(%(videos)s::bigint[]) and not exists (
    select from unnest(%(video)s::bigint[], %(keyword)s::bigint[]) as x(video, keyword)
    where x.video = o.video and x.keyword = o.keyword)
  returning o.keyword
), noted as (
  insert into archive.vanished(keyword) select distinct keyword from vanished returning keyword
)
select count(*)::int from noted
"""

PUT_OCCURRENCES: Final = """
insert into archive.occurrence as o(video, keyword, created, weight, milliseconds, confidence, ranges, parts)
select x.video, x.keyword, x.created, x.weight, x.milliseconds, x.confidence, x.ranges::int[], x.parts::smallint[]
from unnest(
  %(video)s::bigint[], %(keyword)s::bigint[], %(created)s::timestamptz[], %(weight)s::int[],
  %(milliseconds)s::int[], %(confidence)s::smallint[], %(ranges)s::text[], %(parts)s::text[]
) as x(video, keyword, created, weight, milliseconds, confidence, ranges, parts)
on conflict (keyword, video) do update set
  created = excluded.created, weight = excluded.weight, milliseconds = excluded.milliseconds,
  confidence = excluded.confidence, ranges = excluded.ranges, parts = excluded.parts
where (o.created, o.weight, o.milliseconds, o.confidence, o.ranges, o.parts) is distinct from
  (excluded.created, excluded.weight, excluded.milliseconds, excluded.confidence, excluded.ranges, excluded.parts)
"""

ERASE_VIDEO: Final = """
update archive.video set removed = true, state = 'Removed', name = null, external_id = null, language = null,
  seconds = null, metadata = '{}', sources = null, cut = 0
where video = %(video)s::bigint returning video
"""

# Under the writer lock alone: nobody can be about to use a keyword that this finds unused.
COLLECT: Final = """
with due as (delete from archive.vanished returning keyword)
delete from archive.keyword k using (select distinct keyword from due) d
where k.keyword = d.keyword and not exists (select from archive.occurrence o where o.keyword = k.keyword)
"""
