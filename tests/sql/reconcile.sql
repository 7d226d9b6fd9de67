-- payment_reconcile: which payments are compared with the provider, and when.
BEGIN;
\ir fixture.sql
SELECT plan(12);

CREATE FUNCTION pg_temp.due(rest_ms bigint DEFAULT 0) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(provider_ref, ',' ORDER BY provider_ref), '') FROM payment_reconcile(16, rest_ms)
$$;
CREATE FUNCTION pg_temp.all_due() RETURNS void LANGUAGE sql AS $$ UPDATE payment SET reconcile_due = now(), updated_at = now() - interval '1 minute' $$;

SELECT pg_temp.sell('anna', '{0}');
SELECT pg_temp.begin_paid('open', '{1}') \gset
SELECT pg_temp.move('open', 'authorized', 'ch_open') \gset
SELECT pg_temp.begin_paid('no', '{2}') \gset
SELECT pg_temp.move('no', 'declined', 'ch_no', 'payment_declined') \gset
SELECT pg_temp.all_due();
SELECT is(pg_temp.due(120000), '', 'a payment that moved a moment ago is left alone');
SELECT is(pg_temp.due(), 'ch_anna,ch_no', 'those that have come to rest are compared, those under way are not');
SELECT is(pg_temp.due(), '', 'nobody else compares them meanwhile');
SELECT ok((SELECT bool_and(reconcile_due > now() + interval '50 s') FROM payment WHERE provider_ref <> 'ch_open'), 'a minute later it is tried again');
SELECT pg_temp.all_due();
SELECT is((SELECT count(*) FROM payment_reconcile(1, 0)), 1::bigint, 'no more than asked for');

-- what has been compared is compared again when money moves
UPDATE payment SET reconcile_due = NULL;
SELECT is(pg_temp.due(), '', 'once is enough');
SELECT is((SELECT verdict FROM refund_begin(1, pg_temp.u('anna'), pg_temp.u('r'), pg_temp.u('k'), pg_temp.u('p'), false, NULL, NULL, 60000, 500)), 'begun', 'until a refund');
UPDATE payment SET reconcile_due = now(), updated_at = now() - interval '1 minute' WHERE provider_ref = 'ch_anna';
SELECT is(pg_temp.due(), '', 'which is waited for');
SELECT ok(refund_done(1, pg_temp.u('r')), 'done');
SELECT ok((SELECT reconcile_due IS NOT NULL FROM payment WHERE provider_ref = 'ch_anna'), 'it is due again');
UPDATE payment SET reconcile_due = now(), updated_at = now() - interval '1 minute' WHERE provider_ref = 'ch_anna';
SELECT is((SELECT refunded FROM payment_reconcile(16, 0)), 500::bigint, 'with what was returned');
SELECT is((SELECT count(*) FROM payment_webhook), 0::bigint, 'and no webhook was needed');

SELECT * FROM finish();
ROLLBACK;
