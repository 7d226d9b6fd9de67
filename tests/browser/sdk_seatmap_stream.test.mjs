// What the stream of frames adds up to, and how it comes back after a cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { frame_error } from '../../web/sdk/seatmap_frames.js';
import {
  create_seat_states, inflate, open_seatmap_stream, reconnect_delay,
} from '../../web/sdk/seatmap_stream.js';
import { delta_bytes, pack_states, snapshot_bytes } from './lib/frames.mjs';

function recorder() {
  const seen = [];
  const seats = create_seat_states({
    on_snapshot: (states) => seen.push(['snapshot', states.length]),
    on_delta: (changed) => seen.push(['delta', ...changed]),
  });
  return { seats, seen };
}

test('deltas apply in order; older ones are skipped; a gap is told', async () => {
  const { seats, seen } = recorder();
  assert.equal(await seats.take(snapshot_bytes(new Uint8Array(8), 10)), true);
  assert.equal(await seats.take(delta_bytes([[1, 1]], 10, 12)), true);
  assert.equal(await seats.take(delta_bytes([[1, 0]], 8, 11)), true, 'older: skipped');
  assert.equal(seats.states()[1], 1);
  assert.equal(await seats.take(delta_bytes([[2, 2]], 11, 14)), true, 'overlapping: applied');
  assert.equal(await seats.take(delta_bytes([[3, 2]], 15, 16)), false, 'gap');
  assert.equal(seats.rev(), 14);
  assert.deepEqual([...seats.states()], [0, 1, 2, 0, 0, 0, 0, 0]);
  assert.deepEqual(seen, [['snapshot', 8], ['delta', 1], ['delta', 2]]);
});

test('a delta before any snapshot is a gap', async () => {
  const { seats } = recorder();
  assert.equal(await seats.take(delta_bytes([[0, 1]], 0, 1)), false);
});

test('an older snapshot changes nothing', async () => {
  const { seats } = recorder();
  await seats.take(snapshot_bytes(new Uint8Array(4).fill(2), 20));
  await seats.take(snapshot_bytes(new Uint8Array(4), 19));
  assert.equal(seats.rev(), 20);
  assert.deepEqual([...seats.states()], [2, 2, 2, 2]);
});

test('a malformed delta leaves states and revision as they were', async () => {
  const { seats } = recorder();
  await seats.take(snapshot_bytes(new Uint8Array(4), 1));
  await assert.rejects(seats.take(delta_bytes([[0, 1], [4, 1]], 1, 2)), frame_error);
  assert.equal(seats.rev(), 1);
  assert.deepEqual([...seats.states()], [0, 0, 0, 0]);
});

test('a deflated snapshot is inflated, and only as far as its seat count', async () => {
  const { seats } = recorder();
  const states = Uint8Array.from({ length: 5000 }, (_, n) => n % 3);
  const body = new Uint8Array(deflateSync(pack_states(states)));
  assert.equal(await seats.take(snapshot_bytes(states, 3, 1, body)), true);
  assert.deepEqual(seats.states(), states);

  const bomb = new Uint8Array(deflateSync(new Uint8Array(1 << 20)));
  await assert.rejects(inflate(bomb, 1000), frame_error);
  await assert.rejects(inflate(body.subarray(0, body.length >> 1), 1250), frame_error);
  await assert.rejects(inflate(Uint8Array.of(1, 2, 3, 4), 10), frame_error);
});

test('the wait before connecting again follows the close code', () => {
  const half = () => 0.5;
  assert.equal(reconnect_delay(1012, 'restart retry-after-ms=1500', 0, half), 1500);
  assert.equal(reconnect_delay(1012, '', 0, half), 2500);
  assert.equal(reconnect_delay(1013, '', 0, half), 3000);
  assert.equal(reconnect_delay(4000, 'gap', 0, half), 0);
  assert.ok(reconnect_delay(1006, '', 30, half) <= 15_000);
});

/** Sockets that the test drives. */
function fake_sockets() {
  const opened = [];
  return {
    opened,
    open(url) {
      const socket = { url, close(code) { this.onclose({ code: code ?? 1000, reason: '' }); } };
      opened.push(socket);
      return socket;
    },
    async until(count) {
      while (opened.length < count) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return opened[count - 1];
    },
  };
}

function open_with(sockets, handlers = {}) {
  return open_seatmap_stream({
    event_id: '7', origin: 'ws://x', open_socket: sockets.open, random: () => 0,
    api: { call: async () => { throw new Error('no polling here'); } },
    handlers: { on_snapshot() {}, on_delta() {}, ...handlers },
  });
}

test('a gap reopens the socket with the revision known', async () => {
  const sockets = fake_sockets();
  const stream = open_with(sockets);
  const first = await sockets.until(1);
  assert.equal(first.url, 'ws://x/v1/seatmaps/7');
  first.onmessage({ data: snapshot_bytes(new Uint8Array(4), 5).buffer });
  first.onmessage({ data: delta_bytes([[1, 1]], 9, 10).buffer });
  const second = await sockets.until(2);
  assert.equal(second.url, 'ws://x/v1/seatmaps/7?since=5');
  assert.equal(stream.rev(), 5);
  stream.close();
});

test('no such event ends it; other closes do not', async () => {
  const sockets = fake_sockets();
  const states = [];
  const stream = open_with(sockets, { on_state: (state) => states.push(state) });
  (await sockets.until(1)).onclose({ code: 1012, reason: 'retry-after-ms=0' });
  (await sockets.until(2)).onclose({ code: 4404, reason: '' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(sockets.opened.length, 2);
  assert.equal(stream.state(), 'gone');
  assert.deepEqual(states, ['gone']);
});
