-- The two moves that every charged sale makes, many in one statement, as booking_commit: of one booking each (booking_move, 0003) they cost PostgreSQL more than the
-- sale itself. One array element per booking, sorted by (event, booking). `moved` tells who was where it may be moved from; whoever was not is left as it is, for
-- booking_move to tell what became of it.

-- pending -> authorized; the payment: authorizing, pending -> authorized. The lease is kept for lease_ms, the commit is next.
CREATE FUNCTION booking_authorized(event_ids bigint[], booking_ids uuid[], refs text[], lease_ms bigint)
RETURNS TABLE (i bigint, moved boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.i, a.event_id, a.booking_id, a.ref, b.state = 'pending' AND p.state IN ('authorizing', 'pending') AS due
          FROM unnest(event_ids, booking_ids, refs) WITH ORDINALITY AS a (event_id, booking_id, ref, i)
         CROSS JOIN LATERAL (SELECT k.state FROM booking k WHERE k.event_id = a.event_id AND k.booking_id = a.booking_id FOR UPDATE) b
          LEFT JOIN LATERAL (SELECT k.state FROM payment k WHERE k.event_id = a.event_id AND k.booking_id = a.booking_id FOR UPDATE) p ON true
    ), booked AS (
        UPDATE booking b SET state = 'authorized', step = 'authorize', lease_until = clock_timestamp() + lease_ms * interval '1 ms'
          FROM asked a WHERE a.due AND b.event_id = a.event_id AND b.booking_id = a.booking_id
    ), paid AS (
        UPDATE payment p SET state = 'authorized', provider_ref = coalesce(a.ref, p.provider_ref), updated_at = clock_timestamp()
          FROM asked a WHERE a.due AND p.event_id = a.event_id AND p.booking_id = a.booking_id
    )
    SELECT a.i, coalesce(a.due, false) FROM asked a;
END $$;

-- The payment: capturing -> captured. Nobody needs to be on it any more.
CREATE FUNCTION booking_captured(event_ids bigint[], booking_ids uuid[])
RETURNS TABLE (i bigint, moved boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.i, a.event_id, a.booking_id, p.state = 'capturing' AS due
          FROM unnest(event_ids, booking_ids) WITH ORDINALITY AS a (event_id, booking_id, i)
         CROSS JOIN LATERAL (SELECT FROM booking k WHERE k.event_id = a.event_id AND k.booking_id = a.booking_id FOR UPDATE) b
          LEFT JOIN LATERAL (SELECT k.state FROM payment k WHERE k.event_id = a.event_id AND k.booking_id = a.booking_id FOR UPDATE) p ON true
    ), booked AS (
        UPDATE booking b SET step = 'done', lease_until = NULL
          FROM asked a WHERE a.due AND b.event_id = a.event_id AND b.booking_id = a.booking_id
    ), paid AS (
        UPDATE payment p SET state = 'captured', captured = p.amount, updated_at = clock_timestamp()
          FROM asked a WHERE a.due AND p.event_id = a.event_id AND p.booking_id = a.booking_id
    )
    SELECT a.i, coalesce(a.due, false) FROM asked a;
END $$;
