-- A paid purchase: booking_begin, booking_move, booking_authorized, booking_commit_paid, booking_captured, booking_rehold, booking_resume.
BEGIN;
\ir fixture.sql
SELECT plan(65);

-- ---- begin ----

SELECT is(pg_temp.begin_paid('anna', '{0,1}'), 'begun pending', 'key, hold, price and the intention to authorise');
SELECT results_eq('SELECT state, step, outcome, lease_until > clock_timestamp() FROM booking', $$VALUES ('pending', 'begin', NULL::text, true)$$, 'a worker is on it');
SELECT results_eq('SELECT state, amount, provider, captured FROM payment', $$VALUES ('authorizing', 10000::bigint, 'sim', 0::bigint)$$, 'nothing is captured');
SELECT is(pg_temp.seats(), '0000000000', 'and nothing sold');
SELECT is(pg_temp.begin_paid('anna again', '{0,1}', idem => 'idem anna'), 'known pending', 'the same key: somebody is on it');
SELECT throws_ok($$SELECT pg_temp.begin_paid('click', '{0,1}', hold => '1.hold-anna')$$, '23505', NULL, 'a second purchase of one hold is none');

UPDATE booking SET lease_until = clock_timestamp() - interval '1 s';
SELECT is(pg_temp.begin_paid('anna again', '{0,1}', idem => 'idem anna', print => 'other'), 'known pending', 'another request does not take a key over');
SELECT is(pg_temp.begin_paid('anna again', '{0,1}', idem => 'idem anna'), 'taken_over pending', 'the same one does, from a worker that died');
SELECT is(pg_temp.begin_paid('anna again', '{0,1}', idem => 'idem anna'), 'known pending', 'once');

UPDATE event_seat SET fence = 100 WHERE event_id = 1 AND seat = 9;
SELECT is(pg_temp.begin_paid('fence', '{9}'), 'begun lost seat_taken', 'a fence that is not newer ends it before a card is touched');
SELECT is(pg_temp.begin_paid('version', '{8}', versions => '{1}'), 'begun lost seat_taken', 'so does a version');
SELECT is(pg_temp.begin_paid('nowhere', '{99}'), 'begun lost seat_taken', 'and a seat that does not exist');
SELECT is(pg_temp.begin_paid('late', '{8}', expires => '-1 second'), 'begun expired hold_expired', 'and an expiry');
SELECT is(pg_temp.begin_paid('cheap', '{8}', total => 1), 'begun lost price_changed', 'and a price');
SELECT is((SELECT count(*) FROM payment), 1::bigint, 'and none of them has a payment');
SELECT is((SELECT count(*) FROM booking WHERE step = 'done' AND lease_until IS NULL), 5::bigint, 'they are at their end');

-- ---- moves: only from where it may be moved ----

SELECT is(pg_temp.move('anna', 'captured'), 'pending begin authorizing', 'never captured before the commit');
SELECT is(pg_temp.move('anna', 'voided'), 'pending begin authorizing', 'nothing to void');
SELECT is(pg_temp.move('anna', 'pending', 'ch_1'), 'pending authorize pending', 'the provider decides later');
SELECT is(pg_temp.move('anna', 'authorized', 'ch_1'), 'authorized authorize authorized', 'it did');
SELECT is(pg_temp.move('anna', 'authorized', 'ch_1'), 'authorized authorize authorized', 'told twice');
SELECT is(pg_temp.move('anna', 'declined', NULL, 'payment_declined'), 'authorized authorize authorized', 'an older news comes late');
SELECT is((SELECT provider_ref FROM payment WHERE booking_id = pg_temp.u('anna')), 'ch_1', 'the charge has its name');
SELECT pg_temp.begin_paid('otto', '{2}') \gset
SELECT is(pg_temp.move('otto', 'declined', NULL, 'payment_declined'), 'declined done declined', 'declined is an end');
SELECT is((SELECT outcome FROM booking WHERE booking_id = pg_temp.u('otto')), 'payment_declined', 'that is told');
SELECT is(pg_temp.begin_paid('otto again', '{2}', hold => '1.hold-otto'), 'begun pending', 'and the hold can be paid with another card');
SELECT is(pg_temp.move('otto again', 'expired', NULL, 'hold_expired'), 'expired commit voiding', 'a hold that ended: what is authorised is given back');
SELECT is(pg_temp.move('otto again', 'authorized', 'ch_2'), 'expired commit voiding', 'an authorisation after that changes nothing');
SELECT is(pg_temp.move('otto again', 'voided'), 'expired done voided', 'given back');
SELECT is((SELECT lease_until FROM booking WHERE booking_id = pg_temp.u('otto again')), NULL, 'nobody need look again');
SELECT throws_ok($$SELECT pg_temp.move('anna', 'sideways')$$, '20000', NULL, 'a move that there is not');

-- ---- commit ----

SELECT results_eq($$SELECT pg_temp.commit_paid('{anna,otto}')$$, $$VALUES ('confirmed'), ('declined payment_declined')$$, 'who is not authorised answers as it stands');
SELECT is(pg_temp.seats(), '2200000000', 'sold');
SELECT results_eq($$SELECT state, step, payment_state, leased FROM purchase WHERE booking_id = pg_temp.u('anna')$$,
                  $$VALUES ('confirmed', 'commit', 'capturing', true)$$, 'the capture is on record as to be done');
SELECT is((SELECT count(*) FROM outbox WHERE type = 'booking.confirmed'), 1::bigint, 'the news is on its way');
SELECT results_eq($$SELECT pg_temp.commit_paid('{anna}')$$, $$VALUES ('confirmed')$$, 'committing again changes nothing');
SELECT is((SELECT count(*) FROM outbox), 1::bigint, 'and tells nothing');
SELECT is(pg_temp.move('anna', 'voided'), 'confirmed commit capturing', 'a sale is not voided');
SELECT is(pg_temp.move('anna', 'captured'), 'confirmed done captured', 'captured');
SELECT is((SELECT captured FROM payment WHERE booking_id = pg_temp.u('anna')), 10000::bigint, 'all of it');

SELECT pg_temp.begin_paid('rival', '{3}', fence => 50) \gset
SELECT pg_temp.begin_paid('winner', '{3,4}', fence => 60) \gset
SELECT pg_temp.begin_paid('slow', '{5}') \gset
SELECT pg_temp.move('rival', 'authorized') \gset
SELECT pg_temp.move('winner', 'authorized') \gset
SELECT pg_temp.move('slow', 'authorized') \gset
UPDATE booking SET hold_expires = clock_timestamp() - interval '1 ms' WHERE booking_id = pg_temp.u('slow');
SELECT results_eq($$SELECT pg_temp.commit_paid('{winner,slow}')$$, $$VALUES ('confirmed'), ('expired hold_expired')$$, 'no sale on an expired hold');
SELECT results_eq($$SELECT pg_temp.commit_paid('{rival}')$$, $$VALUES ('lost seat_taken')$$, 'who comes second loses');
SELECT results_eq('SELECT payment_state, step FROM purchase WHERE state IN (''lost'', ''expired'') AND payment_state = ''voiding'' ORDER BY 1',
                  $$VALUES ('voiding', 'commit'), ('voiding', 'commit')$$, 'and both get their authorisation back');

-- ---- the moves of many at once ----

SELECT pg_temp.begin_paid('one', '{2}') \gset
SELECT pg_temp.begin_paid('two', '{5}') \gset
SELECT pg_temp.begin_paid('three', '{8}') \gset
SELECT pg_temp.move('two', 'declined', NULL, 'payment_declined') \gset
SELECT results_eq($$SELECT pg_temp.gathered('captured', '{one}')$$, $$VALUES ('false pending begin authorizing')$$, 'never captured before the commit');
UPDATE booking SET lease_until = clock_timestamp() - interval '1 s' WHERE booking_id = pg_temp.u('one');
SELECT results_eq($$SELECT pg_temp.gathered('authorized', '{one,two,three}')$$,
                  $$VALUES ('true authorized authorize authorized'), ('false declined done declined'), ('true authorized authorize authorized')$$,
                  'who may not be moved is told, and the others move');
SELECT ok((SELECT lease_until > clock_timestamp() + interval '50 s' FROM booking WHERE booking_id = pg_temp.u('one')), 'with a lease for the commit');
SELECT is((SELECT provider_ref FROM payment WHERE booking_id = pg_temp.u('three')), 'ch_three', 'each charge has its name');
SELECT is((SELECT provider_ref FROM payment WHERE booking_id = pg_temp.u('two')), NULL, 'who was not moved was left alone');
SELECT results_eq($$SELECT pg_temp.gathered('authorized', '{one}')$$, $$VALUES ('false authorized authorize authorized')$$, 'told twice');
SELECT results_eq($$SELECT pg_temp.commit_paid('{one}')$$, $$VALUES ('confirmed')$$, 'the commit takes it from there');
SELECT results_eq($$SELECT pg_temp.gathered('captured', '{one,two,three}')$$,
                  $$VALUES ('true confirmed done captured'), ('false declined done declined'), ('false authorized authorize authorized')$$,
                  'what was sold is captured, and nothing else');
SELECT is((SELECT captured FROM payment WHERE booking_id = pg_temp.u('one')), 5000::bigint, 'all of it');
SELECT is((SELECT lease_until FROM booking WHERE booking_id = pg_temp.u('one')), NULL, 'nobody need look again');
SELECT results_eq($$SELECT pg_temp.gathered('captured', '{one}')$$, $$VALUES ('false confirmed done captured')$$, 'once');
SELECT pg_temp.move('three', 'expired', NULL, 'hold_expired') \gset
SELECT pg_temp.move('three', 'voided') \gset

-- ---- a late payment ----

SELECT pg_temp.begin_paid('late pay', '{6}', hold => '1.old') \gset
SELECT is((SELECT state || ' ' || step || ' ' || payment_state || ' ' || hold_id || ' ' || fence FROM booking_rehold(1, pg_temp.u('late pay'), 'ch_9', '1.new', 500,
           (extract(epoch FROM clock_timestamp() + interval '1 minute') * 1000)::bigint, 60000)), 'authorized authorize authorized 1.new 500',
          'it has the same seats under a new hold');
SELECT results_eq($$SELECT pg_temp.commit_paid(ARRAY['late pay'])$$, $$VALUES ('confirmed')$$, 'which buys them');
SELECT is((SELECT fence FROM event_seat WHERE event_id = 1 AND seat = 6), 500::bigint, 'with the new fence');
SELECT is((SELECT hold_id FROM booking_rehold(1, pg_temp.u('late pay'), 'ch_9', '1.newer', 600, 0, 60000)), '1.new', 'what is decided keeps its hold');

-- ---- whose worker died ----

SELECT is((SELECT count(*) FROM booking_resume(16, 60000)), 0::bigint, 'leases run: nothing to take over');
UPDATE booking SET lease_until = now() - interval '1 s' WHERE lease_until IS NOT NULL;
SELECT is((SELECT count(*) FROM booking_resume(2, 60000)), 2::bigint, 'no more than asked for');
SELECT is((SELECT count(*) FROM booking_resume(16, 60000)), 2::bigint, 'each once');
SELECT is((SELECT count(*) FROM booking_resume(16, 60000)), 0::bigint, 'and then none');

-- ---- webhooks ----

SELECT pg_temp.begin_paid('hooked', '{7}') \gset
SELECT pg_temp.move('hooked', 'pending', 'ch_7') \gset
SELECT ok(webhook_receive('sim', 'wh_1', '{}', 1, pg_temp.u('hooked')), 'a webhook is new');
SELECT ok((SELECT lease_until <= now() FROM booking WHERE booking_id = pg_temp.u('hooked')), 'and has its purchase looked after at once');
SELECT ok(NOT webhook_receive('sim', 'wh_1', '{}', 1, pg_temp.u('hooked')), 'once');

SELECT * FROM finish();
ROLLBACK;
