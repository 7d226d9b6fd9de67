-- The commit: Redis decided who may try, here is decided who owns. Many bookings, of any events, in one statement: one transaction, one flush to disk.
--
-- booking_commit sells seats of events without charge in one step: claim of the Idempotency-Key, guards, seats, booking, tickets, outbox. One array element per
-- booking (i = its place in them, from 1), one per seat in seat_*; seat_* are sorted by (event, seat), so that batches never wait for each other in a circle. The
-- caller never puts a seat, or a key, into one batch twice.
--
-- A booking is sold when every seat of it is free, has the version that was held and a fence older than the hold's, the hold has not expired by the clock of the
-- database, and the prices sum up to the expected total. Otherwise it loses alone: its row is written with the outcome and no seat changes. A key that is known
-- answers with what is on record (`known`), and nothing changes.
--
-- A key claimed by another transaction meanwhile is a unique violation: nothing happened, the caller repeats the statement and finds the record.
--
-- Plans: looking up by LATERAL ... OFFSET 0 keeps the planner from scanning a table that was small when the plan was made; generic plans, since planning costs ten
-- times the execution.
CREATE FUNCTION booking_commit(
    event_ids bigint[], booking_ids uuid[], idems uuid[], fingerprints uuid[], hold_ids text[], sessions text[], fences bigint[],
    expires_ms bigint[], booking_seats text[], booking_versions text[], emails text[], names text[], totals bigint[], currencies text[], payloads text[],
    traces text[], seat_i integer[], seat_seats integer[], seat_versions integer[])
RETURNS TABLE (i bigint, known boolean, booking_id text, fingerprint text, state text, outcome text, labels text)
LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.i, a.event_id, a.booking_id, a.idem, a.fingerprint, a.hold_id, a.session, a.fence, to_timestamp(a.expires_ms / 1000.0) AS expires,
               a.seats::integer[] AS seats, a.versions::integer[] AS versions, a.email, a.name, a.total, a.currency, a.payload, a.trace
          FROM unnest(event_ids, booking_ids, idems, fingerprints, hold_ids, sessions, fences, expires_ms, booking_seats, booking_versions, emails, names,
                      totals, currencies, payloads, traces)
            WITH ORDINALITY AS a (event_id, booking_id, idem, fingerprint, hold_id, session, fence, expires_ms, seats, versions, email, name,
                                  total, currency, payload, trace, i)
    ), old AS MATERIALIZED (
        SELECT a.i, b.booking_id, b.fingerprint, b.state, b.outcome
          FROM asked a
         CROSS JOIN LATERAL (SELECT * FROM booking k
                              WHERE k.event_id = a.event_id AND k.idem = a.idem OFFSET 0) b
    ), seat AS MATERIALIZED (
        SELECT s.i, event_ids[s.i] AS event_id, s.seat, s.version, e.price, e.label,
               e.status = 0 AND e.version = s.version AND e.fence < fences[s.i] AS ok
          FROM unnest(seat_i, seat_seats, seat_versions) AS s (i, seat, version)
         CROSS JOIN LATERAL (SELECT t.status, t.version, t.fence, t.price, t.label FROM event_seat t
                              WHERE t.event_id = event_ids[s.i] AND t.seat = s.seat FOR UPDATE) e
    ), found AS MATERIALIZED (
        SELECT seat.i, bool_and(seat.ok) AS ok, sum(seat.price) AS price, count(*) AS seats, string_agg(seat.label, E'\x1f') AS labels
          FROM seat GROUP BY seat.i
    ), verdict AS MATERIALIZED (
        SELECT a.*, f.labels,
               CASE WHEN f.ok IS NOT TRUE OR f.seats <> cardinality(a.seats) THEN 'seat_taken'
                    WHEN clock_timestamp() >= a.expires THEN 'hold_expired'
                    WHEN f.price <> a.total THEN 'price_changed' END AS outcome
          FROM asked a LEFT JOIN found f ON f.i = a.i
         WHERE NOT EXISTS (SELECT FROM old WHERE old.i = a.i)
    ), sold AS (
        UPDATE event_seat t SET status = 2, version = t.version + 1, fence = v.fence, booking_id = v.booking_id
          FROM seat s JOIN verdict v ON v.i = s.i AND v.outcome IS NULL
         WHERE t.event_id = s.event_id AND t.seat = s.seat AND t.status = 0 AND t.version = s.version AND t.fence < v.fence
        RETURNING t.event_id, t.booking_id, t.seat, t.price
    ), ticketed AS (
        INSERT INTO ticket (event_id, booking_id, seat, price) SELECT * FROM sold
    ), booked AS (
        INSERT INTO booking (event_id, booking_id, state, step, idem, fingerprint, hold_id, session, fence, hold_expires, seats, versions,
                             email, name, total, currency, outcome, confirmed_at)
        SELECT v.event_id, v.booking_id, CASE WHEN v.outcome IS NULL THEN 'confirmed' WHEN v.outcome = 'hold_expired' THEN 'expired' ELSE 'lost' END, 'done',
               v.idem, v.fingerprint, v.hold_id, v.session, v.fence, v.expires,
               v.seats, v.versions, v.email, v.name, v.total, v.currency, v.outcome,
               CASE WHEN v.outcome IS NULL THEN clock_timestamp() END
          FROM verdict v
    ), told AS (
        INSERT INTO outbox (shard, event_id, topic, key, type, payload, seats, versions, hold_id, session, trace)
        SELECT v.event_id % 16, v.event_id, 'holdfast.bookings', v.event_id || ':' || v.booking_id, 'booking.confirmed', v.payload,
               v.seats, v.versions, v.hold_id, v.session, v.trace
          FROM verdict v WHERE v.outcome IS NULL
    )
    SELECT v.i, false, v.booking_id::text, v.fingerprint::text, CASE WHEN v.outcome IS NULL THEN 'confirmed' WHEN v.outcome = 'hold_expired' THEN 'expired' ELSE 'lost' END,
           v.outcome, v.labels
      FROM verdict v
    UNION ALL
    SELECT o.i, true, o.booking_id::text, o.fingerprint::text, o.state, o.outcome, NULL FROM old o;
END $$;
