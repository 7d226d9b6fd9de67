-- Money given back by amount: the box office returns part of the price and the tickets stay. Such a refund has no seats. All refunds of a booking together never return
-- more than was captured, so tickets that come back after it return what is left of their price at most.

DROP FUNCTION refund_begin(bigint, uuid, uuid, uuid, uuid, boolean, integer[], text, bigint);

-- As in 0004, and p_amount: null for tickets (p_seats; null means all that are live), else so much money and no ticket. `verdict` may also be missing (no such booking).
CREATE FUNCTION refund_begin(p_event bigint, p_booking uuid, p_refund uuid, p_idem uuid, p_fingerprint uuid, p_cancel boolean, p_seats integer[], p_trace text,
                             p_lease_ms bigint, p_amount bigint DEFAULT NULL)
RETURNS TABLE (verdict text, work refund_work)
LANGUAGE plpgsql AS $$
DECLARE
    b booking;
    paid payment;
    found_refund uuid := p_refund;
    back integer[] := '{}';
    back_versions integer[] := '{}';
    owed bigint := p_amount;
    remaining bigint;
BEGIN
    SELECT * INTO b FROM booking k WHERE k.event_id = p_event AND k.booking_id = p_booking FOR UPDATE;
    IF NOT FOUND THEN
        verdict := 'missing';
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT r.refund_id INTO found_refund FROM refund r WHERE r.event_id = p_event AND r.booking_id = p_booking AND r.idem = p_idem;
    IF FOUND THEN
        verdict := 'known';
    ELSE
        found_refund := p_refund;
        SELECT * INTO paid FROM payment p WHERE p.event_id = p_event AND p.booking_id = p_booking;
        SELECT coalesce(paid.captured, 0) - coalesce(sum(r.amount), 0) INTO remaining FROM refund r WHERE r.event_id = p_event AND r.booking_id = p_booking;
        IF p_amount IS NULL THEN
            SELECT array_agg(t.seat ORDER BY t.seat), least(sum(t.price), remaining) INTO back, owed FROM ticket t
             WHERE t.event_id = p_event AND t.booking_id = p_booking AND t.live AND (p_seats IS NULL OR t.seat = ANY (p_seats));
        END IF;
        IF b.state <> 'confirmed' OR coalesce(paid.state, 'captured') <> 'captured' OR back IS NULL OR cardinality(back) < cardinality(p_seats)
           OR p_amount NOT BETWEEN 1 AND remaining THEN
            verdict := 'not_refundable';
            RETURN NEXT;
            RETURN;
        END IF;
        verdict := 'begun';
        IF p_amount IS NULL THEN
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
