-- What the box office does with events.

-- Another layout, as long as nothing is sold. Answers replaced, sold or missing. All seats are locked first, so a commit that is under way is either seen here or finds
-- its seats gone; the versions rise above all there were, so a hold of an old seat never buys a new one.
CREATE FUNCTION event_replace_layout(p_event bigint, p_hash text, p_document text, p_levels text[], p_labels text[]) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_version integer;
BEGIN
    PERFORM 1 FROM event WHERE event_id = p_event FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;
    PERFORM 1 FROM event_seat WHERE event_id = p_event ORDER BY seat FOR UPDATE;
    IF EXISTS (SELECT 1 FROM event_seat WHERE event_id = p_event AND status = 2)
       OR EXISTS (SELECT 1 FROM ticket WHERE event_id = p_event) THEN
        RETURN 'sold';
    END IF;
    SELECT coalesce(max(version), 0) + 1 INTO v_version FROM event_seat WHERE event_id = p_event;
    DELETE FROM event_seat WHERE event_id = p_event;
    INSERT INTO event_seat (event_id, seat, version, price, label)
        SELECT p_event, x.n - 1, v_version, p.amount, x.label
        FROM unnest(p_levels, p_labels) WITH ORDINALITY AS x(level, label, n)
        JOIN price_level p ON p.event_id = p_event AND p.level = x.level;
    UPDATE event_layout SET hash = p_hash, document = p_document WHERE event_id = p_event;
    UPDATE event SET seat_count = cardinality(p_labels) WHERE event_id = p_event;
    RETURN 'replaced';
END
$$;

-- Seats taken off sale (p_block) or put back. All or nothing: with a sold seat among them nothing changes. One row per seat asked for: its status before, and its version
-- if it was changed. The outbox row makes the relay mark them in Redis if the engine does not live to do it.
CREATE FUNCTION event_block_seats(p_event bigint, p_seats integer[], p_block boolean)
RETURNS TABLE (seat integer, status smallint, version integer)
LANGUAGE plpgsql AS $$
DECLARE
    v_from smallint := CASE WHEN p_block THEN 0 ELSE 3 END;
    v_to smallint := CASE WHEN p_block THEN 3 ELSE 0 END;
    v_sold boolean;
BEGIN
    PERFORM 1 FROM event_seat s WHERE s.event_id = p_event AND s.seat = ANY (p_seats) ORDER BY s.seat FOR UPDATE;
    SELECT EXISTS (SELECT 1 FROM event_seat s WHERE s.event_id = p_event AND s.seat = ANY (p_seats) AND s.status = 2) INTO v_sold;
    RETURN QUERY
        WITH before AS (
            SELECT s.seat, s.status FROM event_seat s WHERE s.event_id = p_event AND s.seat = ANY (p_seats)
        ), changed AS (
            UPDATE event_seat s SET status = v_to, version = s.version + 1
            WHERE s.event_id = p_event AND s.seat = ANY (p_seats) AND s.status = v_from AND NOT v_sold
            RETURNING s.seat, s.version
        ), news AS (
            INSERT INTO outbox (shard, event_id, topic, key, type, payload, seats, versions)
            SELECT p_event % 16, p_event, '', '', CASE WHEN p_block THEN 'seat.blocked' ELSE 'seat.unblocked' END, '',
                   array_agg(c.seat ORDER BY c.seat), array_agg(c.version ORDER BY c.seat)
            FROM changed c HAVING count(*) > 0
        )
        SELECT b.seat, b.status, c.version FROM before b LEFT JOIN changed c ON c.seat = b.seat ORDER BY b.seat;
END
$$;
