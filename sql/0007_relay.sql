-- The relay's two statements as functions, for their plans: a table that is empty one moment and full of dead rows the next makes the planner scan it from end to end,
-- sixteen times a fetch; and what is planned once need not be planned again.

-- The oldest rows of each shard, up to 256 of one and 512 of all.
CREATE FUNCTION outbox_fetch(p_shards smallint[])
RETURNS TABLE (outbox_id bigint, shard smallint, event_id bigint, topic text, key text, type text, payload text, seats integer[], versions integer[], hold_id text,
               session text, trace text, age_ms bigint)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT o.outbox_id, o.shard, o.event_id, o.topic, o.key, o.type, o.payload, o.seats, o.versions, o.hold_id, o.session, o.trace,
           (extract(epoch FROM clock_timestamp() - o.created_at) * 1000)::bigint
      FROM unnest(p_shards) s
     CROSS JOIN LATERAL (SELECT * FROM outbox k WHERE k.shard = s AND k.parked_at IS NULL ORDER BY k.outbox_id LIMIT 256) o
     ORDER BY o.outbox_id LIMIT 512;
END $$;

-- Rows that are done go, poison is set aside. Answers how many rows that were. It does not wait for the disk: what a crash forgets of it is sent once more, in order.
CREATE FUNCTION outbox_settle(p_done_shards smallint[], p_done bigint[], p_poison_shards smallint[], p_poison bigint[], p_why text[])
RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    gone bigint;
    parked bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM outbox o USING unnest(p_done_shards, p_done) AS d (shard, id) WHERE o.shard = d.shard AND o.outbox_id = d.id;
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE outbox o SET parked_at = clock_timestamp(), parked_why = p.why, attempts = attempts + 1
      FROM unnest(p_poison_shards, p_poison, p_why) AS p (shard, id, why) WHERE o.shard = p.shard AND o.outbox_id = p.id;
    GET DIAGNOSTICS parked = ROW_COUNT;
    RETURN gone + parked;
END $$;

-- Every seat of a sold-out page has been updated once: with room for a second version of each, the sale is an update in place and no index changes.
ALTER TABLE event_seat SET (fillfactor = 50);
