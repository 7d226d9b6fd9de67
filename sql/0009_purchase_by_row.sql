-- As in 0003 and 0006, for their plans: joined to the rows taken, the view purchase was made of every booking there is, labels and tickets included, before all but a
-- few were thrown away (2 s for 8 rows of 60,000), many times a second. LATERAL ... OFFSET 0 makes it of each row taken.

-- Unfinished purchases that nobody works on: takes the lease of up to p_limit. Several engines may ask at once, each gets others.
CREATE OR REPLACE FUNCTION booking_resume(p_limit integer, p_lease_ms bigint)
RETURNS SETOF purchase
LANGUAGE sql AS $$
    WITH taken AS (
        UPDATE booking b SET lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
          FROM (SELECT k.event_id, k.booking_id FROM booking k WHERE k.lease_until <= now() ORDER BY k.lease_until LIMIT p_limit FOR UPDATE SKIP LOCKED) due
         WHERE b.event_id = due.event_id AND b.booking_id = due.booking_id
        RETURNING b.event_id, b.booking_id
    )
    SELECT p.* FROM taken t CROSS JOIN LATERAL (SELECT * FROM purchase v WHERE v.event_id = t.event_id AND v.booking_id = t.booking_id OFFSET 0) p;
$$;

-- Payments at rest for p_rest_ms and not compared yet; as booking_resume, each engine gets others.
CREATE OR REPLACE FUNCTION payment_reconcile(p_limit integer, p_rest_ms bigint)
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
    SELECT p.* FROM taken t CROSS JOIN LATERAL (SELECT * FROM purchase v WHERE v.event_id = t.event_id AND v.booking_id = t.booking_id OFFSET 0) p;
$$;
