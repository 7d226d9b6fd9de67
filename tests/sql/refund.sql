-- refund_begin, refund_done, refund_resume: tickets back, money back, never more of it than there was.
BEGIN;
\ir fixture.sql
SELECT plan(42);

-- refund_begin, told as "verdict amount state".
CREATE FUNCTION pg_temp.give_back(booking text, refund text, seats integer[] DEFAULT NULL, amount bigint DEFAULT NULL, cancel boolean DEFAULT false, key text DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
    SELECT verdict || coalesce(' ' || (work).amount || ' ' || (work).state, '')
      FROM refund_begin(1, pg_temp.u(booking), pg_temp.u(refund), pg_temp.u(coalesce(key, 'key ' || refund)), pg_temp.u('print'), cancel, seats, NULL, 60000, amount)
$$;

SELECT is(pg_temp.give_back('nobody', 'r0'), 'missing', 'a booking that there is not');
SELECT pg_temp.begin_paid('pending', '{9}') \gset
SELECT is(pg_temp.give_back('pending', 'r0'), 'not_refundable', 'nothing is sold yet');
SELECT pg_temp.move('pending', 'authorized') \gset
SELECT pg_temp.commit_paid('{pending}') \gset
SELECT is(pg_temp.give_back('pending', 'r0'), 'not_refundable', 'nothing is captured yet');
SELECT is(pg_temp.give_back('pending', 'r0', amount => 1), 'not_refundable', 'so there is no money either');

-- ---- tickets ----

SELECT pg_temp.sell('anna', '{0,1,2}');
SELECT is(pg_temp.give_back('anna', 'r1', '{1}'), 'begun 5000 confirmed', 'one ticket of three');
SELECT is(pg_temp.seat(1), '0 2', 'its seat is free, at a version of its own');
SELECT is((SELECT booking_id FROM event_seat WHERE event_id = 1 AND seat = 1), NULL, 'and nobody''s');
SELECT is((SELECT string_agg(seat::text, ',' ORDER BY seat) FROM ticket WHERE live AND booking_id = pg_temp.u('anna')), '0,2', 'the ticket is dead');
SELECT results_eq($$SELECT type, seats, versions, payload::json ->> 'amount' FROM outbox WHERE type = 'booking.refunded'$$,
                  $$VALUES ('booking.refunded', '{1}'::int[], '{2}'::int[], '5000')$$, 'the news say what and how much');
SELECT is((SELECT refunded FROM payment WHERE booking_id = pg_temp.u('anna')), 0::bigint, 'the money is owed');
SELECT is(pg_temp.give_back('anna', 'r1b', '{1}', key => 'key r1'), 'known 5000 confirmed', 'the same key: the first answer');
SELECT is(pg_temp.give_back('anna', 'r2', '{1}'), 'not_refundable', 'another: the ticket is gone');
SELECT is(pg_temp.give_back('anna', 'r2', '{0,1}'), 'not_refundable', 'all or nothing');
SELECT is(pg_temp.give_back('anna', 'r2', '{5}'), 'not_refundable', 'a ticket that is not of this booking');
SELECT is(pg_temp.seats(), '2020000002', 'and nothing changed by that');
SELECT ok(refund_done(1, pg_temp.u('r1')), 'the provider has returned it');
SELECT is((SELECT refunded FROM payment WHERE booking_id = pg_temp.u('anna')), 5000::bigint, 'counted');
SELECT ok(NOT refund_done(1, pg_temp.u('r1')), 'once');
SELECT is((SELECT refunded FROM payment WHERE booking_id = pg_temp.u('anna')), 5000::bigint, 'and not twice');
SELECT is(pg_temp.give_back('anna', 'r3'), 'begun 10000 refunded', 'the rest');
SELECT is((SELECT state FROM booking WHERE booking_id = pg_temp.u('anna')), 'refunded', 'is the end of the booking');
SELECT is(pg_temp.give_back('anna', 'r4'), 'not_refundable', 'after which there is nothing');
SELECT is(pg_temp.give_back('anna', 'r1c', '{1}', key => 'key r1'), 'known 5000 confirmed', 'but the first answer, as it was then');

SELECT pg_temp.sell('otto', '{3}');
SELECT is(pg_temp.give_back('otto', 'c1', cancel => true), 'begun 5000 cancelled', 'a cancellation returns all');
SELECT is((SELECT type FROM outbox WHERE key = '1:' || pg_temp.u('otto') AND type <> 'booking.confirmed'), 'booking.cancelled', 'and is told as such');

-- ---- money only ----

SELECT pg_temp.sell('emma', '{4,5}');
SELECT is(pg_temp.give_back('emma', 'm0', amount => 0), 'not_refundable', 'nothing is no refund');
SELECT is(pg_temp.give_back('emma', 'm0', amount => -5), 'not_refundable', 'nor is less');
SELECT is(pg_temp.give_back('emma', 'm0', amount => 10001), 'not_refundable', 'nor more than was captured');
SELECT is(pg_temp.give_back('emma', 'm0', '{4}', amount => 10), 'not_refundable', 'nor a ticket at a price of its own');
SELECT is(pg_temp.give_back('emma', 'm1', amount => 7000), 'begun 7000 confirmed', 'a part of the price');
SELECT is(pg_temp.seat(4) || ', ' || pg_temp.seat(5), '2 1, 2 1', 'returns no seat');
SELECT results_eq($$SELECT seats, versions FROM outbox WHERE key = '1:' || pg_temp.u('emma') AND type = 'booking.refunded'$$, $$VALUES ('{}'::int[], '{}'::int[])$$,
                  'marks none, but is told');
SELECT is(pg_temp.give_back('emma', 'm1b', amount => 7000, key => 'key m1'), 'known 7000 confirmed', 'once a key');
SELECT is(pg_temp.give_back('emma', 'm2', amount => 3001), 'not_refundable', 'what is owed counts before it is returned');
SELECT is(pg_temp.give_back('emma', 'm3', '{4}'), 'begun 3000 confirmed', 'a ticket then returns what is left of its price');
SELECT is(pg_temp.give_back('emma', 'm4', '{5}'), 'begun 0 refunded', 'and the last one nothing');
SELECT is((SELECT lease_until FROM refund WHERE refund_id = pg_temp.u('m4')), NULL, 'for which no provider is asked');
SELECT is(pg_temp.seats(), '0000000002', 'their seats are free');
SELECT is((SELECT sum(amount)::bigint FROM refund WHERE booking_id = pg_temp.u('emma')), 10000::bigint, 'all together what was captured');

-- ---- whose worker died ----

UPDATE refund SET lease_until = now() - interval '1 s' WHERE lease_until IS NOT NULL;
SELECT is((SELECT count(*) FROM refund_resume(2, 60000)), 2::bigint, 'unfinished refunds are taken over, no more than asked for');
SELECT is((SELECT count(*) FROM refund_resume(16, 60000)), 2::bigint, 'each once');
SELECT is((SELECT count(*) FROM refund_resume(16, 60000)), 0::bigint, 'and then none');

SELECT * FROM finish();
ROLLBACK;
