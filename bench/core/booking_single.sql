-- One booking of one seat: seat, booking, ticket and outbox in the plainest single statement. Each client has :seats seats of its own.
\set n :n + 1
\set seat :client_id * :seats + :n - 1
WITH s AS (UPDATE event_seat SET status=2, version=version+1, fence=77, booking_id='e1a7f2a4-0000-4000-8000-000000000000' WHERE event_id=1 AND seat=:seat AND status=0 AND version=0 AND fence<77 AND clock_timestamp() < '2099-01-01' RETURNING seat, price),
b AS (INSERT INTO booking (event_id, booking_id, state, step, idem, fingerprint, hold_id, session, fence, hold_expires, seats, versions, email, name, total, currency, confirmed_at) SELECT 1,gen_random_uuid(),'confirmed','done',gen_random_uuid(),gen_random_uuid(),'e1a7f2a4-0000-4000-8000-000000000000','',77,'2099-01-01',ARRAY[seat],ARRAY[0],'a@example.org','A Fan',price,'EUR',clock_timestamp() FROM s RETURNING booking_id),
t AS (INSERT INTO ticket(event_id,booking_id,seat,price) SELECT 1,b.booking_id,s.seat,s.price FROM s,b)
INSERT INTO outbox(shard,event_id,topic,key,type,payload,seats,versions) SELECT 1,1,'holdfast.bookings','1-x','booking.confirmed','{"eventId"="1","bookingId"="e1a7f2a4-0000-4000-8000-000000000000","state"="confirmed","seats"=[1],"total"=5000,"currency"="EUR","email"="fan@example.org","name"="A Fan"}',ARRAY[seat],ARRAY[0] FROM s;
