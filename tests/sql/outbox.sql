-- outbox_fetch and outbox_settle: what the relay takes, in which order, and what it lets go or sets aside.
BEGIN;
\ir fixture.sql
SELECT plan(19);

-- A row of this event, told as its key.
CREATE FUNCTION pg_temp.tell(event bigint, key text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox (shard, event_id, topic, key, type, payload) VALUES (event % 16, event, 'holdfast.bookings', key, 'booking.confirmed', '{}')
$$;
CREATE FUNCTION pg_temp.waiting(shards smallint[]) RETURNS text LANGUAGE sql AS $$ SELECT coalesce(string_agg(key, ' '), '') FROM outbox_fetch(shards) $$;
CREATE FUNCTION pg_temp.id(k text) RETURNS bigint LANGUAGE sql AS $$ SELECT outbox_id FROM outbox WHERE key = k $$;

SELECT is(pg_temp.waiting('{0,1,2}'), '', 'nothing waits');
SELECT pg_temp.tell(1, 'a1') \gset
SELECT pg_temp.tell(2, 'b1') \gset
SELECT pg_temp.tell(17, 'a2') \gset
SELECT pg_temp.tell(1, 'a3') \gset
SELECT is(pg_temp.waiting('{1}'), 'a1 a2 a3', 'a shard''s rows, the oldest first, whatever the event');
SELECT is(pg_temp.waiting('{1,2}'), 'a1 b1 a2 a3', 'of several shards in one order');
SELECT is(pg_temp.waiting('{3}'), '', 'of another shard nothing');
SELECT is(pg_temp.waiting('{}'), '', 'of none nothing');
SELECT is(pg_temp.waiting('{1}'), 'a1 a2 a3', 'what was fetched still waits: only an acknowledgement lets it go');

-- ---- settled ----

SELECT is(outbox_settle('{1}', ARRAY[pg_temp.id('a1')], '{}', '{}', '{}'), 1::bigint, 'one is acknowledged');
SELECT is(pg_temp.waiting('{1,2}'), 'b1 a2 a3', 'and gone');
SELECT is(outbox_settle('{2}', ARRAY[pg_temp.id('a2')], '{}', '{}', '{}'), 0::bigint, 'an id is of its shard');
SELECT is(outbox_settle('{}', '{}', '{}', '{}', '{}'), 0::bigint, 'nothing to settle');

-- ---- parked ----

SELECT is(outbox_settle('{1}', ARRAY[pg_temp.id('a3')], '{1}', ARRAY[pg_temp.id('a2')], ARRAY['refused by kafka']), 2::bigint, 'one goes, one is poison');
SELECT is(pg_temp.waiting('{1,2}'), 'b1', 'which stops nobody');
SELECT results_eq($$SELECT parked_why, attempts, parked_at IS NOT NULL FROM outbox WHERE key = 'a2'$$, $$VALUES ('refused by kafka', 1, true)$$, 'and is kept with its reason');
UPDATE outbox SET parked_at = NULL WHERE key = 'a2';
SELECT is(pg_temp.waiting('{1,2}'), 'b1 a2', 'released, it takes its place again');

-- ---- bounded ----

TRUNCATE outbox;
SELECT count(pg_temp.tell(3, 'n' || n)) FROM generate_series(1, 1000) n \gset
SELECT is((SELECT count(*) FROM outbox_fetch('{3}')), 256::bigint, 'not more than so many of one shard');
SELECT count(pg_temp.tell(4, 'm' || n)), count(pg_temp.tell(5, 'o' || n)) FROM generate_series(1, 1000) n \gset
SELECT is((SELECT count(*) FROM outbox_fetch('{3,4,5}')), 512::bigint, 'nor of all');
SELECT is((SELECT count(DISTINCT shard) FROM outbox_fetch('{4,5}')), 2::bigint, 'none of which is left out');

-- ---- what a sale tells ----

TRUNCATE outbox;
INSERT INTO asked (i, name, seats) VALUES (1, 'anna', '{1,2}');
SELECT results_eq('SELECT state FROM pg_temp.commit_asked()', $$VALUES ('confirmed')$$, 'a sale');
SELECT results_eq($$SELECT event_id, key, type, seats, versions, hold_id, age_ms BETWEEN 0 AND 60000 FROM outbox_fetch('{1}')$$,
                  $$VALUES (1::bigint, '1:' || pg_temp.u('anna'), 'booking.confirmed', '{1,2}'::int[], '{0,0}'::int[], '1.hold-anna', true)$$, 'waits with its seats as they were held');

SELECT * FROM finish();
ROLLBACK;
