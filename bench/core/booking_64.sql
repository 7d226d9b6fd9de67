-- 64 bookings of one seat each by booking_commit, the function that the gatherer calls. Each client has :seats seats of its own.
\set n :n + 64
\set base :client_id * :seats + :n - 64
SELECT count(*) FROM (SELECT :base::integer AS base) x, LATERAL (SELECT array_agg(gen_random_uuid()) AS p, array_agg(gen_random_uuid()) AS u, array_agg('{'||g||'}') AS s, array_agg(g) AS gs FROM generate_series(x.base,x.base+63) g) y, LATERAL booking_commit(array_fill(1::bigint,'{64}'), y.u, y.p, y.u,
 array_fill('e1a7f2a4-0000-4000-8000-000000000000'::text,'{64}'),array_fill(''::text,'{64}'),array_fill(77::bigint,'{64}'),array_fill(4102444800000::bigint,'{64}'),y.s,array_fill('{0}'::text,'{64}'),array_fill('fan@example.org'::text,'{64}'),array_fill('A Fan'::text,'{64}'),
 array_fill(5000::bigint,'{64}'),array_fill('EUR'::text,'{64}'),array_fill('{"eventId":"1","bookingId":"e1a7f2a4-0000-4000-8000-000000000000","state":"confirmed","seats":[1],"total":5000,"currency":"EUR","email":"fan@example.org","name":"A Fan"}'::text,'{64}'),array_fill(NULL::text,'{64}'),
 (SELECT array_agg(i) FROM generate_series(1,64) i), y.gs, array_fill(0,'{64}'));
