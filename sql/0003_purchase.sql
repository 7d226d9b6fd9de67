-- A paid purchase, from recovery point to recovery point (docs/architecture.md, "The life of a booking"). Each function is one transaction, moves a booking only from
-- where it may be moved, and answers with the row as it is afterwards: calling twice, or late, changes nothing and tells the truth. No provider is called in between.

-- What a worker needs to go on from any recovery point.
CREATE VIEW purchase AS
SELECT b.event_id, b.booking_id, b.fingerprint, b.state, b.step, b.outcome, coalesce(b.lease_until > clock_timestamp(), false) AS leased,
       b.hold_id, b.session, b.fence, (extract(epoch FROM b.hold_expires) * 1000)::bigint AS expires_ms,
       array_to_string(b.seats, ',') AS seats, array_to_string(b.versions, ',') AS versions, b.email, b.name, b.total, b.currency,
       (extract(epoch FROM b.created_at) * 1000)::bigint AS created_ms, (extract(epoch FROM b.confirmed_at) * 1000)::bigint AS confirmed_ms,
       p.provider, p.token, p.state AS payment_state, p.provider_ref, coalesce(p.captured, 0) AS captured, coalesce(p.refunded, 0) AS refunded,
       (SELECT string_agg(s.label, E'\x1f' ORDER BY s.seat) FROM event_seat s WHERE s.event_id = b.event_id AND s.seat = ANY (b.seats)) AS labels,
       (SELECT string_agg(t.live::int::text, ',' ORDER BY t.seat) FROM ticket t WHERE t.event_id = b.event_id AND t.booking_id = b.booking_id) AS live
  FROM booking b LEFT JOIN payment p ON p.event_id = b.event_id AND p.booking_id = b.booking_id;

-- The claim: key, hold, price, intention to authorise. `verdict` is begun; known (the key has this record: replay, or somebody is on it); taken_over (its worker died,
-- the caller has the lease now). A second purchase of one hold is a violation of booking_one_purchase; a key claimed at this very moment one of the key:
-- repeat. Seats that the truth has sold or priced otherwise end the purchase here, before anybody's card is touched.
CREATE FUNCTION booking_begin(
    p_event bigint, p_booking uuid, p_idem uuid, p_fingerprint uuid, p_hold text, p_session text, p_fence bigint, p_expires_ms bigint, p_seats integer[],
    p_versions integer[], p_email text, p_name text, p_total bigint, p_currency text, p_provider text, p_token text, p_lease_ms bigint)
RETURNS TABLE (verdict text, row_of purchase)
LANGUAGE plpgsql AS $$
DECLARE
    old booking;
    found_booking uuid := p_booking;
    wrong text;
BEGIN
    SELECT * INTO old FROM booking b WHERE b.event_id = p_event AND b.idem = p_idem FOR UPDATE;
    IF FOUND THEN
        found_booking := old.booking_id;
        verdict := 'known';
        IF old.fingerprint = p_fingerprint AND old.lease_until <= clock_timestamp() THEN
            UPDATE booking b SET lease_until = clock_timestamp() + p_lease_ms * interval '1 ms' WHERE b.event_id = p_event AND b.booking_id = found_booking;
            verdict := 'taken_over';
        END IF;
    ELSE
        verdict := 'begun';
        SELECT CASE WHEN count(*) <> cardinality(p_seats) OR NOT bool_and(s.status = 0 AND s.version = u.version AND s.fence < p_fence) THEN 'seat_taken'
                    WHEN to_timestamp(p_expires_ms / 1000.0) <= clock_timestamp() THEN 'hold_expired'
                    WHEN sum(s.price) <> p_total THEN 'price_changed' END INTO wrong
          FROM unnest(p_seats, p_versions) AS u (seat, version) JOIN event_seat s ON s.event_id = p_event AND s.seat = u.seat;
        INSERT INTO booking (event_id, booking_id, state, step, idem, fingerprint, lease_until, hold_id, session, fence, hold_expires, seats, versions, email,
                             name, total, currency, outcome)
        VALUES (p_event, p_booking, CASE WHEN wrong IS NULL THEN 'pending' WHEN wrong = 'hold_expired' THEN 'expired' ELSE 'lost' END,
                CASE WHEN wrong IS NULL THEN 'begin' ELSE 'done' END, p_idem, p_fingerprint,
                CASE WHEN wrong IS NULL THEN clock_timestamp() + p_lease_ms * interval '1 ms' END, p_hold, p_session, p_fence,
                to_timestamp(p_expires_ms / 1000.0), p_seats, p_versions, p_email, p_name, p_total, p_currency, wrong);
        IF wrong IS NULL THEN
            INSERT INTO payment (event_id, booking_id, provider, token, amount, currency, state)
            VALUES (p_event, p_booking, p_provider, p_token, p_total, p_currency, 'authorizing');
        END IF;
    END IF;
    SELECT v.* INTO row_of FROM purchase v WHERE v.event_id = p_event AND v.booking_id = found_booking;
    RETURN NEXT;
END $$;

-- The moves of one booking outside the commit. From where to where:
--
--   move        booking                      payment                            step       lease
--   authorized  pending    -> authorized     authorizing, pending -> authorized  authorize  kept for p_lease_ms
--   pending     pending                      authorizing, pending -> pending     authorize  looked after in p_lease_ms
--   declined    pending    -> declined       authorizing, pending -> declined    done       none
--   expired     pending, authorized -> expired   any of before    -> voiding     commit     kept
--   captured    as it is                     capturing            -> captured    done       none
--   voided      as it is                     voiding              -> voided      done       none
--   later       as it is                     as it is                            as it is   looked after in p_lease_ms
CREATE FUNCTION booking_move(p_event bigint, p_booking uuid, p_move text, p_ref text, p_outcome text, p_lease_ms bigint)
RETURNS SETOF purchase
LANGUAGE plpgsql AS $$
DECLARE
    b booking;
    p payment;
    lease timestamptz := clock_timestamp() + p_lease_ms * interval '1 ms';
BEGIN
    SELECT * INTO b FROM booking WHERE event_id = p_event AND booking_id = p_booking FOR UPDATE;
    SELECT * INTO p FROM payment WHERE event_id = p_event AND booking_id = p_booking FOR UPDATE;
    CASE p_move
    WHEN 'authorized' THEN
        IF b.state = 'pending' AND p.state IN ('authorizing', 'pending') THEN
            b.state := 'authorized'; b.step := 'authorize'; b.lease_until := lease; p.state := 'authorized';
        END IF;
    WHEN 'pending' THEN
        IF b.state = 'pending' AND p.state IN ('authorizing', 'pending') THEN
            b.step := 'authorize'; b.lease_until := lease; p.state := 'pending';
        END IF;
    WHEN 'declined' THEN
        IF b.state = 'pending' AND p.state IN ('authorizing', 'pending') THEN
            b.state := 'declined'; b.step := 'done'; b.lease_until := NULL; p.state := 'declined'; b.outcome := p_outcome;
        END IF;
    WHEN 'expired' THEN
        IF b.state IN ('pending', 'authorized') THEN
            b.state := 'expired'; b.step := 'commit'; b.lease_until := lease; p.state := 'voiding'; b.outcome := p_outcome;
        END IF;
    WHEN 'captured' THEN
        IF p.state = 'capturing' THEN
            b.step := 'done'; b.lease_until := NULL; p.state := 'captured'; p.captured := p.amount;
        END IF;
    WHEN 'voided' THEN
        IF p.state = 'voiding' THEN
            b.step := 'done'; b.lease_until := NULL; p.state := 'voided';
        END IF;
    WHEN 'later' THEN
        IF b.lease_until IS NOT NULL THEN
            b.lease_until := lease;
        END IF;
    END CASE;
    UPDATE booking SET state = b.state, step = b.step, lease_until = b.lease_until, outcome = b.outcome WHERE event_id = p_event AND booking_id = p_booking;
    UPDATE payment SET state = p.state, captured = p.captured, provider_ref = coalesce(p_ref, provider_ref), updated_at = clock_timestamp()
     WHERE event_id = p_event AND booking_id = p_booking;
    RETURN QUERY SELECT * FROM purchase WHERE event_id = p_event AND booking_id = p_booking;
END $$;

-- The commit of authorised purchases, many in one statement, as booking_commit. One array element per booking, sorted by (event, booking). A booking that is not authorised (any
-- more) answers as it stands. Winners are confirmed with their capture to be done, losers lost (seat_taken) or expired (hold_expired) with their authorisation to be
-- voided; both keep a lease until that is recorded.
CREATE FUNCTION booking_commit_paid(event_ids bigint[], booking_ids uuid[], payloads text[], traces text[], lease_ms bigint)
RETURNS TABLE (i bigint, state text, outcome text, labels text)
LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.i, a.payload, a.trace, b.*
          FROM unnest(event_ids, booking_ids, payloads, traces) WITH ORDINALITY AS a (event_id, booking_id, payload, trace, i)
         CROSS JOIN LATERAL (SELECT k.event_id, k.booking_id, k.state, k.outcome, k.hold_id, k.session, k.fence, k.hold_expires, k.seats, k.versions, k.total
                               FROM booking k WHERE k.event_id = a.event_id AND k.booking_id = a.booking_id FOR UPDATE) b
    ), wanted AS MATERIALIZED (
        SELECT a.i, a.event_id, a.fence, u.seat, u.version
          FROM asked a CROSS JOIN LATERAL unnest(a.seats, a.versions) AS u (seat, version)
         WHERE a.state = 'authorized' ORDER BY a.event_id, u.seat
    ), seat AS MATERIALIZED (
        SELECT w.i, w.event_id, w.seat, w.version, e.price, e.label, e.status = 0 AND e.version = w.version AND e.fence < w.fence AS ok
          FROM wanted w
         CROSS JOIN LATERAL (SELECT t.status, t.version, t.fence, t.price, t.label FROM event_seat t
                              WHERE t.event_id = w.event_id AND t.seat = w.seat FOR UPDATE) e
    ), found AS MATERIALIZED (
        SELECT seat.i, bool_and(seat.ok) AS ok, sum(seat.price) AS price, count(*) AS seats, string_agg(seat.label, E'\x1f' ORDER BY seat.seat) AS labels
          FROM seat GROUP BY seat.i
    ), verdict AS MATERIALIZED (
        SELECT a.*, f.labels,
               CASE WHEN f.ok IS NOT TRUE OR f.seats <> cardinality(a.seats) THEN 'seat_taken'
                    WHEN clock_timestamp() >= a.hold_expires THEN 'hold_expired'
                    WHEN f.price <> a.total THEN 'price_changed' END AS wrong
          FROM asked a LEFT JOIN found f ON f.i = a.i
         WHERE a.state = 'authorized'
    ), sold AS (
        UPDATE event_seat t SET status = 2, version = t.version + 1, fence = v.fence, booking_id = v.booking_id
          FROM seat s JOIN verdict v ON v.i = s.i AND v.wrong IS NULL
         WHERE t.event_id = s.event_id AND t.seat = s.seat AND t.status = 0 AND t.version = s.version AND t.fence < v.fence
        RETURNING t.event_id, t.booking_id, t.seat, t.price
    ), ticketed AS (
        INSERT INTO ticket (event_id, booking_id, seat, price) SELECT * FROM sold
    ), booked AS (
        UPDATE booking b
           SET state = CASE WHEN v.wrong IS NULL THEN 'confirmed' WHEN v.wrong = 'hold_expired' THEN 'expired' ELSE 'lost' END, step = 'commit',
               outcome = v.wrong, lease_until = clock_timestamp() + lease_ms * interval '1 ms',
               confirmed_at = CASE WHEN v.wrong IS NULL THEN clock_timestamp() END
          FROM verdict v WHERE b.event_id = v.event_id AND b.booking_id = v.booking_id
    ), paid AS (
        UPDATE payment p SET state = CASE WHEN v.wrong IS NULL THEN 'capturing' ELSE 'voiding' END, updated_at = clock_timestamp()
          FROM verdict v WHERE p.event_id = v.event_id AND p.booking_id = v.booking_id
    ), told AS (
        INSERT INTO outbox (shard, event_id, topic, key, type, payload, seats, versions, hold_id, session, trace)
        SELECT v.event_id % 16, v.event_id, 'holdfast.bookings', v.event_id || ':' || v.booking_id, 'booking.confirmed', v.payload,
               v.seats, v.versions, v.hold_id, v.session, v.trace
          FROM verdict v WHERE v.wrong IS NULL
    )
    SELECT v.i, CASE WHEN v.wrong IS NULL THEN 'confirmed' WHEN v.wrong = 'hold_expired' THEN 'expired' ELSE 'lost' END, v.wrong, v.labels FROM verdict v
    UNION ALL
    SELECT a.i, a.state, a.outcome, NULL FROM asked a WHERE a.state <> 'authorized';
END $$;

-- Unfinished purchases that nobody works on: takes the lease of up to p_limit. Several engines may ask at once, each gets others.
CREATE FUNCTION booking_resume(p_limit integer, p_lease_ms bigint)
RETURNS SETOF purchase
LANGUAGE sql AS $$
    WITH taken AS (
        UPDATE booking b SET lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
          FROM (SELECT k.event_id, k.booking_id FROM booking k WHERE k.lease_until <= now() ORDER BY k.lease_until LIMIT p_limit FOR UPDATE SKIP LOCKED) due
         WHERE b.event_id = due.event_id AND b.booking_id = due.booking_id
        RETURNING b.event_id, b.booking_id
    )
    SELECT p.* FROM taken t JOIN purchase p ON p.event_id = t.event_id AND p.booking_id = t.booking_id;
$$;

-- A webhook, durable and once. It is a hint and no authority: the purchase it names (null: none of ours) is looked after at once, and whoever does asks the provider.
-- True when it is new.
CREATE FUNCTION webhook_receive(p_provider text, p_webhook text, p_payload text, p_event bigint, p_booking uuid)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_webhook (provider, webhook_id, payload, applied_at) VALUES (p_provider, p_webhook, p_payload, clock_timestamp())
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE booking b SET lease_until = now()
      FROM payment p
     WHERE p.event_id = p_event AND p.booking_id = p_booking AND p.provider = p_provider AND p.state = 'pending'
       AND b.event_id = p.event_id AND b.booking_id = p.booking_id AND b.lease_until IS NOT NULL;
    RETURN true;
END $$;
