-- booking_commit: what sells, and that each guard by itself refuses.
BEGIN;
\ir fixture.sql
SELECT plan(34);

-- ---- a sale ----

INSERT INTO asked (i, name, seats) VALUES (1, 'anna', '{0,1}');
SELECT results_eq('SELECT i, known, booking, state, outcome, labels FROM pg_temp.commit_asked()',
                  $$VALUES (1::bigint, false, pg_temp.u('anna')::text, 'confirmed', NULL::text, E'A-0\x1fA-1')$$, 'two free seats are sold');
SELECT is(pg_temp.seats(), '2200000000', 'these and no others');
SELECT results_eq('SELECT version, fence, booking_id FROM event_seat WHERE event_id = 1 AND seat < 2 ORDER BY seat',
                  $$VALUES (1, 100::bigint, pg_temp.u('anna')), (1, 100::bigint, pg_temp.u('anna'))$$, 'with the next version, the fence and the buyer');
SELECT results_eq('SELECT seat, price, live FROM ticket WHERE event_id = 1 ORDER BY seat', 'VALUES (0, 5000::bigint, true), (1, 5000::bigint, true)', 'a live ticket each');
SELECT results_eq('SELECT booking_id, state, step, total, outcome, lease_until IS NULL, confirmed_at IS NOT NULL FROM booking',
                  $$VALUES (pg_temp.u('anna'), 'confirmed', 'done', 10000::bigint, NULL::text, true, true)$$, 'one booking, at its end');
SELECT results_eq('SELECT shard, event_id, topic, key, type, seats, versions, hold_id FROM outbox',
                  $$VALUES (1::smallint, 1::bigint, 'holdfast.bookings', '1:' || pg_temp.u('anna'), 'booking.confirmed', '{0,1}'::int[], '{0,0}'::int[], '1.hold-anna')$$,
                  'and its news, with the versions as they were held');

-- ---- each guard alone ----

UPDATE event_seat SET status = 3, version = 0 WHERE event_id = 1 AND seat = 2;
INSERT INTO asked (i, name, seats) VALUES (1, 'blocked', '{2}');
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('lost', 'seat_taken')$$, 'a blocked seat is not sold');

INSERT INTO asked (i, name, seats, versions, fence) VALUES (1, 'again', '{0}', '{1}', 200);
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('lost', 'seat_taken')$$, 'nor a sold one, at its present version and with a newer fence');

INSERT INTO asked (i, name, seats, versions) VALUES (1, 'version', '{3}', '{1}');
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('lost', 'seat_taken')$$, 'nor one that was held at another version');

UPDATE event_seat SET fence = 100 WHERE event_id = 1 AND seat = 4;
INSERT INTO asked (i, name, seats, fence) VALUES (1, 'fence', '{4}', 100);
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('lost', 'seat_taken')$$, 'nor with a fence that is not newer than the seat''s');
INSERT INTO asked (i, name, seats, fence) VALUES (1, 'newer fence', '{4}', 101);
SELECT results_eq('SELECT state FROM pg_temp.commit_asked()', $$VALUES ('confirmed')$$, 'a newer one sells it');

INSERT INTO asked (i, name, seats, expires) VALUES (1, 'late', '{5}', clock_timestamp() - interval '1 ms');
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('expired', 'hold_expired')$$, 'an expired hold buys nothing');

INSERT INTO asked (i, name, seats, total) VALUES (1, 'cheap', '{5}', 4999);
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('lost', 'price_changed')$$, 'the buyer does not name the price');

INSERT INTO asked (i, name, seats) VALUES (1, 'nowhere', '{99}');
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('lost', 'seat_taken')$$, 'a seat that does not exist is not sold');

INSERT INTO asked (i, name, seats) VALUES (1, 'half', '{5,0}');
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('lost', 'seat_taken')$$, 'all or nothing: one seat of two is taken');
SELECT is(pg_temp.seat(5), '0 0', 'and the other one stays free');

SELECT is((SELECT count(*) FROM booking WHERE state IN ('lost', 'expired') AND confirmed_at IS NULL AND step = 'done' AND outcome IS NOT NULL), 8::bigint,
          'whoever lost has a record that says why');
SELECT is((SELECT count(*) FROM ticket), 3::bigint, 'and no ticket');
SELECT is((SELECT count(*) FROM outbox), 2::bigint, 'and no news');

-- ---- many in one statement ----

INSERT INTO asked (i, name, seats, versions) VALUES (1, 'first', '{9,5}', NULL), (2, 'loser', '{6,0}', NULL), (3, 'second', '{7}', NULL), (4, 'stale', '{8}', '{7}');
SELECT results_eq('SELECT i, state FROM pg_temp.commit_asked() ORDER BY i',
                  $$VALUES (1::bigint, 'confirmed'), (2, 'lost'), (3, 'confirmed'), (4, 'lost')$$, 'a loser loses alone');
SELECT is(pg_temp.seats(), '2230220202', 'the winners have their seats, the losers'' are free');

-- ---- keys ----

INSERT INTO asked (i, name, idem, seats) VALUES (1, 'other', 'idem first', '{8}');
SELECT results_eq('SELECT known, booking, state FROM pg_temp.commit_asked()', $$VALUES (true, pg_temp.u('first')::text, 'confirmed')$$,
                  'a key that is known answers with what is on record');
SELECT is(pg_temp.seat(8), '0 0', 'and sells nothing');
INSERT INTO asked (i, name, idem, seats, fingerprint) VALUES (1, 'other', 'idem loser', '{8}', 'another request');
SELECT results_eq('SELECT known, booking, state, outcome FROM pg_temp.commit_asked()', $$VALUES (true, pg_temp.u('loser')::text, 'lost', 'seat_taken')$$,
                  'also one that lost, and whatever the request');
INSERT INTO asked (i, name, idem, seats) VALUES (1, 'known', 'idem first', '{8}'), (2, 'fresh', NULL, '{8}');
SELECT results_eq('SELECT i, known, state FROM pg_temp.commit_asked() ORDER BY i', $$VALUES (1::bigint, true, 'confirmed'), (2, false, 'confirmed')$$,
                  'beside a fresh one in the same statement');
SELECT is((SELECT count(*) FROM booking WHERE idem = pg_temp.u('idem first')), 1::bigint, 'one record a key');

-- ---- what stands behind the function ----

SELECT throws_ok($$INSERT INTO ticket (event_id, booking_id, seat, price) VALUES (1, pg_temp.u('thief'), 0, 5000)$$, '23505', NULL,
                 'a second live ticket for a seat is impossible, whoever writes it');
SELECT lives_ok($$INSERT INTO ticket (event_id, booking_id, seat, price, live) VALUES (1, pg_temp.u('before'), 0, 5000, false)$$, 'a dead one is history');
SELECT throws_ok($$UPDATE event_seat SET status = 2 WHERE event_id = 1 AND seat = 3$$, '23514', NULL, 'a sold seat has its booking');
SELECT throws_ok($$UPDATE event_seat SET status = 0 WHERE event_id = 1 AND seat = 0$$, '23514', NULL, 'a free one has none');
SELECT throws_ok($$UPDATE event_seat SET status = 1 WHERE event_id = 1 AND seat = 3$$, '23514', NULL, 'held is no state of the truth');
INSERT INTO asked (i, name, idem, seats) VALUES (1, 'twin', 'idem twin', '{3}'), (2, 'twin too', 'idem twin', '{6}');
SELECT throws_ok('SELECT * FROM pg_temp.commit_asked()', '23505', NULL, 'a key twice in one batch is refused as a whole');
SELECT is(pg_temp.seats(), '2230220222', 'and nothing of it happened');
SELECT is((SELECT count(*) FROM (SELECT seat FROM ticket WHERE live GROUP BY seat HAVING count(*) > 1) twice), 0::bigint, 'no seat has two live tickets');

SELECT * FROM finish();
ROLLBACK;
