-- Late payments, the reconciler's work list, and the first answer of a refund.

-- An authorisation that came, or was found, after its hold had ended: the same seats under a new hold, if Redis gave one. The commit checks seats and versions as ever.
CREATE FUNCTION booking_rehold(p_event bigint, p_booking uuid, p_ref text, p_hold text, p_fence bigint, p_expires_ms bigint, p_lease_ms bigint)
RETURNS SETOF purchase
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE booking SET state = 'authorized', step = 'authorize', hold_id = p_hold, fence = p_fence, hold_expires = to_timestamp(p_expires_ms / 1000.0),
                       lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
     WHERE event_id = p_event AND booking_id = p_booking AND state IN ('pending', 'authorized');
    IF FOUND THEN
        UPDATE payment SET state = 'authorized', provider_ref = coalesce(p_ref, provider_ref), updated_at = clock_timestamp()
         WHERE event_id = p_event AND booking_id = p_booking;
    END IF;
    RETURN QUERY SELECT * FROM purchase WHERE event_id = p_event AND booking_id = p_booking;
END $$;

-- When the reconciler is to compare the payment with the provider; null: it has, and they agreed or the difference was told.
ALTER TABLE payment ADD COLUMN reconcile_due timestamptz DEFAULT clock_timestamp();
CREATE INDEX payment_unreconciled ON payment (reconcile_due) WHERE reconcile_due IS NOT NULL;

-- Payments at rest for p_rest_ms and not compared yet; as booking_resume, each engine gets others.
CREATE FUNCTION payment_reconcile(p_limit integer, p_rest_ms bigint)
RETURNS SETOF purchase
LANGUAGE sql AS $$
    WITH taken AS (
        UPDATE payment p SET reconcile_due = clock_timestamp() + interval '60 s'
          FROM (SELECT k.event_id, k.booking_id FROM payment k JOIN booking b ON b.event_id = k.event_id AND b.booking_id = k.booking_id
                 WHERE k.reconcile_due <= now() AND k.updated_at <= now() - p_rest_ms * interval '1 ms'
                   AND k.state IN ('captured', 'voided', 'declined') AND b.lease_until IS NULL
                   AND NOT EXISTS (SELECT FROM refund r WHERE r.event_id = k.event_id AND r.booking_id = k.booking_id AND r.lease_until IS NOT NULL)
                 ORDER BY k.reconcile_due LIMIT p_limit FOR UPDATE OF k SKIP LOCKED) due
         WHERE p.event_id = due.event_id AND p.booking_id = due.booking_id
        RETURNING p.event_id, p.booking_id
    )
    SELECT v.* FROM taken t JOIN purchase v ON v.event_id = t.event_id AND v.booking_id = t.booking_id;
$$;

-- As in 0004; the payment is to be compared once more.
CREATE OR REPLACE FUNCTION refund_done(p_event bigint, p_refund uuid) RETURNS boolean
LANGUAGE sql AS $$
    WITH done AS (
        UPDATE refund SET lease_until = NULL WHERE event_id = p_event AND refund_id = p_refund AND lease_until IS NOT NULL
        RETURNING event_id, booking_id, amount
    ), paid AS (
        UPDATE payment p SET refunded = p.refunded + d.amount, updated_at = clock_timestamp(), reconcile_due = clock_timestamp()
          FROM done d WHERE p.event_id = d.event_id AND p.booking_id = d.booking_id
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM paid);
$$;

-- As in 0004, but `state` is what the booking was in after this refund, so that a replay is the first answer.
CREATE OR REPLACE VIEW refund_work AS
SELECT r.event_id, r.refund_id, r.booking_id, r.fingerprint, r.cancel, array_to_string(r.seats, ',') AS seats, array_to_string(r.versions, ',') AS versions,
       r.amount, b.currency,
       CASE WHEN r.cancel THEN 'cancelled'
            WHEN (SELECT sum(cardinality(o.seats)) FROM refund o
                   WHERE o.event_id = r.event_id AND o.booking_id = r.booking_id AND o.created_at <= r.created_at) = cardinality(b.seats) THEN 'refunded'
            ELSE 'confirmed' END AS state,
       r.lease_until IS NOT NULL AS unfinished, p.provider, p.provider_ref
  FROM refund r JOIN booking b ON b.event_id = r.event_id AND b.booking_id = r.booking_id
  LEFT JOIN payment p ON p.event_id = r.event_id AND p.booking_id = r.booking_id;
