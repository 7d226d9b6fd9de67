-- What every test of this folder starts with: pgTAP, an event (1) of ten seats at 5000 each that charges, and short ways to call the functions. Included with \ir inside
-- the test's transaction, which is rolled back.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;

INSERT INTO event (event_id, name, venue, starts_at, currency, has_queue, charge, seat_count)
VALUES (1, 'Test', '{"name":"Hall","city":"Here"}', now(), 'EUR', false, true, 10);
INSERT INTO event_seat (event_id, seat, price, label) SELECT 1, n, 5000, 'A-' || n FROM generate_series(0, 9) n;

-- A name that is the same wherever it is said: u('anna') is a UUID.
CREATE FUNCTION pg_temp.u(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5(name)::uuid $$;

-- The bookings of the next booking_commit; what is not said is as it should be.
CREATE TEMPORARY TABLE asked (
    i           integer PRIMARY KEY,
    name        text NOT NULL,                                              -- of the booking
    idem        text,                                                       -- null: one of its own
    fingerprint text NOT NULL DEFAULT 'print',
    fence       bigint NOT NULL DEFAULT 100,
    expires     timestamptz NOT NULL DEFAULT clock_timestamp() + interval '1 minute',
    seats       integer[] NOT NULL,
    versions    integer[],                                                  -- null: 0 each
    total       bigint                                                      -- null: 5000 a seat
) ON COMMIT DROP;

-- Says them all in one statement, as the gatherer does (seats sorted over the whole batch), and forgets them.
CREATE FUNCTION pg_temp.commit_asked()
RETURNS TABLE (i bigint, known boolean, booking text, state text, outcome text, labels text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE asked SET versions = array_fill(0, ARRAY[cardinality(seats)]) WHERE versions IS NULL;
    RETURN QUERY
    WITH b AS (
        SELECT array_agg(1::bigint ORDER BY i) AS events, array_agg(pg_temp.u(name) ORDER BY i) AS ids,
               array_agg(pg_temp.u(coalesce(idem, 'idem ' || name)) ORDER BY i) AS idems, array_agg(pg_temp.u(fingerprint) ORDER BY i) AS prints,
               array_agg('1.hold-' || name ORDER BY i) AS holds, array_agg(''::text ORDER BY i) AS none, array_agg(fence ORDER BY i) AS fences,
               array_agg((extract(epoch FROM expires) * 1000)::bigint ORDER BY i) AS expires, array_agg(seats::text ORDER BY i) AS seats,
               array_agg(versions::text ORDER BY i) AS versions, array_agg(coalesce(total, 5000 * cardinality(seats)) ORDER BY i) AS totals,
               array_agg('EUR'::text ORDER BY i) AS currencies, array_agg('{}'::text ORDER BY i) AS payloads
          FROM asked
    ), s AS (
        SELECT array_agg(a.i ORDER BY t.seat) AS i, array_agg(t.seat ORDER BY t.seat) AS seats, array_agg(t.version ORDER BY t.seat) AS versions
          FROM asked a CROSS JOIN LATERAL unnest(a.seats, a.versions) t (seat, version)
    )
    SELECT c.i, c.known, c.booking_id, c.state, c.outcome, c.labels
      FROM b, s, booking_commit(b.events, b.ids, b.idems, b.prints, b.holds, b.none, b.fences, b.expires, b.seats, b.versions, b.none, b.none, b.totals,
                                b.currencies, b.payloads, b.none, s.i, s.seats, s.versions) c;
    TRUNCATE asked;
END $$;

-- Begins the paid purchase `name`: booking_begin with everything as it should be.
CREATE FUNCTION pg_temp.begin_paid(name text, seats integer[], idem text DEFAULT NULL, print text DEFAULT 'print', hold text DEFAULT NULL, fence bigint DEFAULT 100,
                                   expires interval DEFAULT '1 minute', total bigint DEFAULT NULL, versions integer[] DEFAULT NULL, lease_ms bigint DEFAULT 60000)
RETURNS text LANGUAGE sql AS $$
    SELECT verdict || ' ' || (row_of).state || coalesce(' ' || (row_of).outcome, '')
      FROM booking_begin(1, pg_temp.u(name), pg_temp.u(coalesce(idem, 'idem ' || name)), pg_temp.u(print), coalesce(hold, '1.hold-' || name), '', fence,
                         (extract(epoch FROM clock_timestamp() + expires) * 1000)::bigint, seats, coalesce(versions, array_fill(0, ARRAY[cardinality(seats)])),
                         'fan@example.org', 'Fan', coalesce(total, 5000 * cardinality(seats)), 'EUR', 'sim', 'tok_visa', lease_ms)
$$;

-- booking_move, told as "state step payment_state".
CREATE FUNCTION pg_temp.move(name text, move text, ref text DEFAULT NULL, outcome text DEFAULT NULL, lease_ms bigint DEFAULT 60000)
RETURNS text LANGUAGE sql AS $$
    SELECT state || ' ' || step || ' ' || payment_state FROM booking_move(1, pg_temp.u(name), move, ref, outcome, lease_ms)
$$;

-- booking_commit_paid of these purchases, told as "state outcome" in their order.
CREATE FUNCTION pg_temp.commit_paid(names text[], lease_ms bigint DEFAULT 60000) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT c.state || coalesce(' ' || c.outcome, '')
      FROM (SELECT array_agg(1::bigint) AS events, array_agg(pg_temp.u(n) ORDER BY o) AS ids, array_agg('{}'::text) AS payloads, array_agg(NULL::text) AS traces
              FROM unnest(names) WITH ORDINALITY x (n, o)) a, booking_commit_paid(a.events, a.ids, a.payloads, a.traces, lease_ms) c ORDER BY c.i
$$;

-- The gathered moves of these purchases, told as "moved state step payment_state" in their order; the refs are 'ch_' and the name.
CREATE FUNCTION pg_temp.gathered(what text, names text[], lease_ms bigint DEFAULT 60000) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    events bigint[] := ARRAY(SELECT 1 FROM unnest(names));
    ids uuid[] := ARRAY(SELECT pg_temp.u(n) FROM unnest(names) WITH ORDINALITY x (n, o) ORDER BY o);
    refs text[] := ARRAY(SELECT 'ch_' || n FROM unnest(names) WITH ORDINALITY x (n, o) ORDER BY o);
    moved boolean[];
BEGIN
    IF what = 'authorized' THEN
        moved := ARRAY(SELECT a.moved FROM booking_authorized(events, ids, refs, lease_ms) a ORDER BY a.i);
    ELSE
        moved := ARRAY(SELECT c.moved FROM booking_captured(events, ids) c ORDER BY c.i);
    END IF;
    RETURN QUERY SELECT moved[x.o]::text || ' ' || p.state || ' ' || p.step || coalesce(' ' || p.payment_state, '')
                   FROM unnest(ids) WITH ORDINALITY x (id, o) JOIN purchase p ON p.event_id = 1 AND p.booking_id = x.id ORDER BY x.o;
END $$;

-- A purchase from begin to its end: confirmed and captured.
CREATE FUNCTION pg_temp.sell(name text, seats integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.begin_paid(name, seats);
    PERFORM pg_temp.move(name, 'authorized', 'ch_' || name);
    PERFORM pg_temp.commit_paid(ARRAY[name]);
    PERFORM pg_temp.move(name, 'captured');
END $$;

-- What the truth has of a seat: "status version", and of all: one digit each.
CREATE FUNCTION pg_temp.seat(n integer) RETURNS text LANGUAGE sql AS $$ SELECT status || ' ' || version FROM event_seat WHERE event_id = 1 AND seat = n $$;
CREATE FUNCTION pg_temp.seats() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(status::text, '' ORDER BY seat) FROM event_seat WHERE event_id = 1 $$;
