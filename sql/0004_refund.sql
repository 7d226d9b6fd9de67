-- Tickets given back: in one transaction they die, their seats go on sale again with a new version, and the money owed is on record; then the provider is asked, and then
-- that is recorded. A refund that was begun is always finished, by whoever finds its lease run out.

CREATE VIEW refund_work AS
SELECT r.event_id, r.refund_id, r.booking_id, r.fingerprint, r.cancel, array_to_string(r.seats, ',') AS seats, array_to_string(r.versions, ',') AS versions,
       r.amount, b.currency, b.state, r.lease_until IS NOT NULL AS unfinished, p.provider, p.provider_ref
  FROM refund r JOIN booking b ON b.event_id = r.event_id AND b.booking_id = r.booking_id
  LEFT JOIN payment p ON p.event_id = r.event_id AND p.booking_id = r.booking_id;

-- p_seats null means all that are live. `verdict`: begun, known (the key has this record), or not_refundable (a ticket is not of this booking or is not live, or the money
-- has not been captured yet).
CREATE FUNCTION refund_begin(p_event bigint, p_booking uuid, p_refund uuid, p_idem uuid, p_fingerprint uuid, p_cancel boolean, p_seats integer[], p_trace text,
                             p_lease_ms bigint)
RETURNS TABLE (verdict text, work refund_work)
LANGUAGE plpgsql AS $$
DECLARE
    b booking;
    paid text;
    found_refund uuid := p_refund;
    back integer[];
    back_versions integer[];
    owed bigint;
BEGIN
    SELECT * INTO b FROM booking k WHERE k.event_id = p_event AND k.booking_id = p_booking FOR UPDATE;
    SELECT r.refund_id INTO found_refund FROM refund r WHERE r.event_id = p_event AND r.booking_id = p_booking AND r.idem = p_idem;
    IF FOUND THEN
        verdict := 'known';
    ELSE
        found_refund := p_refund;
        SELECT p.state INTO paid FROM payment p WHERE p.event_id = p_event AND p.booking_id = p_booking;
        SELECT array_agg(t.seat ORDER BY t.seat), sum(t.price) INTO back, owed FROM ticket t
         WHERE t.event_id = p_event AND t.booking_id = p_booking AND t.live AND (p_seats IS NULL OR t.seat = ANY (p_seats));
        IF b.state IS DISTINCT FROM 'confirmed' OR coalesce(paid, 'captured') <> 'captured' OR back IS NULL OR cardinality(back) < cardinality(p_seats) THEN
            verdict := 'not_refundable';
            RETURN NEXT;
            RETURN;
        END IF;
        verdict := 'begun';
        IF paid IS NULL THEN
            owed := 0;
        END IF;
        PERFORM 1 FROM event_seat s WHERE s.event_id = p_event AND s.seat = ANY (back) ORDER BY s.seat FOR UPDATE;
        WITH freed AS (
            UPDATE event_seat s SET status = 0, version = s.version + 1, booking_id = NULL
             WHERE s.event_id = p_event AND s.seat = ANY (back) AND s.booking_id = p_booking
            RETURNING s.seat, s.version)
        SELECT array_agg(f.version ORDER BY f.seat) INTO back_versions FROM freed f;
        IF cardinality(back_versions) IS DISTINCT FROM cardinality(back) THEN
            RAISE EXCEPTION 'tickets of booking % and its seats disagree', p_booking;
        END IF;
        UPDATE ticket t SET live = false WHERE t.event_id = p_event AND t.booking_id = p_booking AND t.seat = ANY (back);
        IF NOT EXISTS (SELECT FROM ticket t WHERE t.event_id = p_event AND t.booking_id = p_booking AND t.live) THEN
            b.state := CASE WHEN p_cancel THEN 'cancelled' ELSE 'refunded' END;
            UPDATE booking k SET state = b.state WHERE k.event_id = p_event AND k.booking_id = p_booking;
        END IF;
        INSERT INTO refund (event_id, refund_id, booking_id, idem, fingerprint, cancel, seats, versions, amount, lease_until)
        VALUES (p_event, p_refund, p_booking, p_idem, p_fingerprint, p_cancel, back, back_versions, owed,
                CASE WHEN owed > 0 THEN clock_timestamp() + p_lease_ms * interval '1 ms' END);
        INSERT INTO outbox (shard, event_id, topic, key, type, payload, seats, versions, trace)
        VALUES (p_event % 16, p_event, 'holdfast.bookings', p_event || ':' || p_booking, CASE WHEN p_cancel THEN 'booking.cancelled' ELSE 'booking.refunded' END,
                json_build_object('eventId', p_event::text, 'bookingId', p_booking, 'state', b.state, 'refundId', p_refund,
                                  'seats', to_json(back), 'amount', owed, 'currency', b.currency, 'email', b.email, 'name', b.name)::text,
                back, back_versions, p_trace);
    END IF;
    SELECT w.* INTO work FROM refund_work w WHERE w.event_id = p_event AND w.refund_id = found_refund;
    RETURN NEXT;
END $$;

-- The provider has returned the money.
CREATE FUNCTION refund_done(p_event bigint, p_refund uuid) RETURNS boolean
LANGUAGE sql AS $$
    WITH done AS (
        UPDATE refund SET lease_until = NULL WHERE event_id = p_event AND refund_id = p_refund AND lease_until IS NOT NULL
        RETURNING event_id, booking_id, amount
    ), paid AS (
        UPDATE payment p SET refunded = p.refunded + d.amount, updated_at = clock_timestamp()
          FROM done d WHERE p.event_id = d.event_id AND p.booking_id = d.booking_id
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM paid);
$$;

-- As booking_resume.
CREATE FUNCTION refund_resume(p_limit integer, p_lease_ms bigint)
RETURNS SETOF refund_work
LANGUAGE sql AS $$
    WITH taken AS (
        UPDATE refund r SET lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
          FROM (SELECT k.event_id, k.refund_id FROM refund k WHERE k.lease_until <= now() ORDER BY k.lease_until LIMIT p_limit FOR UPDATE SKIP LOCKED) due
         WHERE r.event_id = due.event_id AND r.refund_id = due.refund_id
        RETURNING r.event_id, r.refund_id
    )
    SELECT w.* FROM taken t JOIN refund_work w ON w.event_id = t.event_id AND w.refund_id = t.refund_id;
$$;
