-- event_block_seats and event_replace_layout: what the box office does to seats.
BEGIN;
\ir fixture.sql
SELECT plan(21);

-- ---- blocking ----

SELECT results_eq($$SELECT seat, status, version FROM event_block_seats(1, '{3,4}', true)$$, $$VALUES (3, 0::smallint, 1), (4, 0::smallint, 1)$$, 'two free seats are blocked');
SELECT is(pg_temp.seats(), '0003300000', 'so they are');
SELECT results_eq('SELECT type, topic, seats, versions FROM outbox', $$VALUES ('seat.blocked', '', '{3,4}'::int[], '{1,1}'::int[])$$, 'for the relay to mark, not to tell');
SELECT results_eq($$SELECT seat, status, version FROM event_block_seats(1, '{4,5}', true)$$, $$VALUES (4, 3::smallint, NULL::integer), (5, 0::smallint, 1)$$,
                  'one that is blocked already is not changed');
SELECT results_eq('SELECT seats FROM outbox ORDER BY outbox_id DESC LIMIT 1', $$VALUES ('{5}'::int[])$$, 'nor marked');
SELECT pg_temp.sell('anna', '{0}');
SELECT results_eq($$SELECT seat, status, version FROM event_block_seats(1, '{0,6}', true)$$, $$VALUES (0, 2::smallint, NULL::integer), (6, 0::smallint, NULL)$$,
                  'with a sold seat among them nothing changes');
SELECT is(pg_temp.seats(), '2003330000', 'indeed');
SELECT results_eq($$SELECT seat, version FROM event_block_seats(1, '{3,7}', false)$$, $$VALUES (3, 2), (7, NULL::integer)$$, 'and back on sale, with another version');
SELECT is((SELECT type FROM outbox ORDER BY outbox_id DESC LIMIT 1), 'seat.unblocked', 'which is marked too');
SELECT is((SELECT count(*) FROM event_block_seats(1, '{99}', true)), 0::bigint, 'a seat that there is not');
SELECT is((SELECT count(*) FROM event_block_seats(2, '{0}', true)), 0::bigint, 'an event that there is not');
INSERT INTO asked (i, name, seats, fence) VALUES (1, 'otto', '{4}', 900);
SELECT results_eq('SELECT state FROM pg_temp.commit_asked()', $$VALUES ('lost')$$, 'a blocked seat is not sold');

-- ---- another layout ----

INSERT INTO price_level (event_id, level, position, name, amount) VALUES (1, 'gold', 0, 'Gold', 9000);
INSERT INTO event_layout (event_id, hash, document) VALUES (1, 'old', '{}');
SELECT is(event_replace_layout(1, 'new', '{}', '{gold}', '{B-1}'), 'sold', 'not after something was sold');
SELECT is(event_replace_layout(2, 'new', '{}', '{gold}', '{B-1}'), 'missing', 'not of an event that there is not');
UPDATE event_seat SET status = 0, booking_id = NULL, version = 7 WHERE event_id = 1 AND seat = 0;
SELECT is(event_replace_layout(1, 'new', '{}', '{gold}', '{B-1}'), 'sold', 'not as long as there are tickets, even dead ones');
DELETE FROM ticket;
SELECT is(event_replace_layout(1, 'new', '{"rows":[]}', '{gold,gold,gold}', '{B-1,B-2,B-3}'), 'replaced', 'before a sale it is');
SELECT results_eq('SELECT seat, status, version, price, label FROM event_seat WHERE event_id = 1 ORDER BY seat',
                  $$VALUES (0, 0::smallint, 8, 9000::bigint, 'B-1'), (1, 0::smallint, 8, 9000, 'B-2'), (2, 0::smallint, 8, 9000, 'B-3')$$,
                  'other seats, above all versions there were: a hold of before never buys them');
SELECT results_eq('SELECT hash, seat_count FROM event_layout JOIN event USING (event_id)', $$VALUES ('new', 3)$$, 'the layout and the number of seats with them');
INSERT INTO asked (i, name, seats, versions, total, fence) VALUES (1, 'stale', '{1}', '{0}', 9000, 900);
SELECT results_eq('SELECT state, outcome FROM pg_temp.commit_asked()', $$VALUES ('lost', 'seat_taken')$$, 'indeed');
SELECT has_index('ticket', 'ticket_one_live', 'and the last guard stands');
SELECT index_is_unique('public', 'ticket', 'ticket_one_live', 'as a unique one');

SELECT * FROM finish();
ROLLBACK;
