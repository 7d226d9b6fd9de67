// The decoder of holdfast.seatmap.v1: what it must read, and what it must refuse without a trace.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  counts_unpack, delta_unpack, frame_error, frame_parse, SEATS_MAX, snapshot_unpack, varint_read,
} from '../../web/sdk/seatmap_frames.js';
import { delta_bytes, snapshot_bytes, varint_bytes } from './lib/frames.mjs';

test('a snapshot of any size unpacks to its states', () => {
  for (const count of [0, 1, 3, 4, 5, 1021]) {
    const states = Uint8Array.from({ length: count }, (_, n) => (n * 7 + 3) & 3);
    const frame = frame_parse(snapshot_bytes(states, 2 ** 52 + 1));
    assert.equal(frame.type, 'snapshot');
    assert.equal(frame.seat_count, count);
    assert.equal(frame.rev, 2 ** 52 + 1);
    assert.deepEqual(snapshot_unpack(frame.body, count), states);
  }
});

test('the lowest seat is in the lowest bits', () => {
  assert.deepEqual([...snapshot_unpack(Uint8Array.of(0b11_10_01_00), 4)], [0, 1, 2, 3]);
});

test('a delta unpacks to seats in order, seat 0 and long gaps included', () => {
  const changes = [[0, 1], [1, 2], [130, 3], [99_999, 0]];
  const frame = frame_parse(delta_bytes(changes, 7, 11));
  assert.equal(frame.from_rev, 7);
  assert.equal(frame.to_rev, 11);
  const { seats, states } = delta_unpack(frame, 100_000);
  assert.deepEqual([...seats], [0, 1, 130, 99_999]);
  assert.deepEqual([...states], [1, 2, 3, 0]);
});

test('an empty delta moves the revision only', () => {
  const frame = frame_parse(delta_bytes([], 7, 8));
  assert.equal(delta_unpack(frame, 10).seats.length, 0);
});

test('a frame inside a larger buffer is read from its own offset', () => {
  const bytes = delta_bytes([[5, 2]], 1, 2);
  const larger = new Uint8Array(bytes.length + 6).fill(0xff);
  larger.set(bytes, 3);
  const frame = frame_parse(larger.subarray(3, 3 + bytes.length));
  assert.deepEqual([...delta_unpack(frame, 6).seats], [5]);
});

test('every truncation of a delta is refused', () => {
  const whole = delta_bytes([[2, 1], [400, 2], [401, 1]], 1, 2);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => delta_unpack(frame_parse(whole.subarray(0, length)), 1000), frame_error, `${length} bytes`);
  }
});

test('every truncation of a snapshot is refused', () => {
  const whole = snapshot_bytes(new Uint8Array(37).fill(2), 9);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => {
      const frame = frame_parse(whole.subarray(0, length));
      snapshot_unpack(frame.body, frame.seat_count);
    }, frame_error, `${length} bytes`);
  }
});

test('what breaks a rule is refused', () => {
  const twice = delta_bytes([[3, 1]], 1, 2);
  const refused = {
    'empty frame': () => frame_parse(new Uint8Array(0)),
    'unknown type': () => frame_parse(Uint8Array.of(9, 0, 0, 0)),
    'unknown flags': () => frame_parse(snapshot_bytes(new Uint8Array(4), 1, 2)),
    'too many seats': () => {
      const bytes = snapshot_bytes(new Uint8Array(0), 1);
      new DataView(bytes.buffer).setUint32(4, SEATS_MAX + 1, true);
      frame_parse(bytes);
    },
    'revision beyond 53 bits': () => {
      const bytes = snapshot_bytes(new Uint8Array(0), 1);
      new DataView(bytes.buffer).setBigUint64(8, 1n << 53n, true);
      frame_parse(bytes);
    },
    'delta running backwards': () => frame_parse(delta_bytes([], 8, 7)),
    'more changes than bytes': () => {
      const bytes = delta_bytes([[1, 1]], 1, 2);
      new DataView(bytes.buffer).setUint32(4, 0xffffffff, true);
      frame_parse(bytes);
    },
    'seat beyond the map': () => delta_unpack(frame_parse(delta_bytes([[10, 1]], 1, 2)), 10),
    'bytes left over': () => delta_unpack(frame_parse(Uint8Array.of(...twice, 4)), 10),
    'the same seat twice': () => {
      const bytes = Uint8Array.of(...twice, 1);
      new DataView(bytes.buffer).setUint32(4, 2, true);
      delta_unpack(frame_parse(bytes), 10);
    },
    'snapshot too long': () => snapshot_unpack(new Uint8Array(2), 4),
    'varint of six bytes': () => varint_read(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x01), 0),
    'varint beyond 32 bits': () => varint_read(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x10), 0),
  };
  for (const [what, read] of Object.entries(refused)) {
    assert.throws(read, frame_error, what);
  }
});

test('the largest varint is read', () => {
  assert.deepEqual(varint_read(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), 0), { value: 0xffffffff, next: 5 });
});

test('random bytes never do anything but parse or be refused', () => {
  let seed = 1;
  const next = () => (seed = (seed * 48271) % 2147483647);
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: next() % 64 }, () => next() & 255);
    if (bytes.length > 0) {
      bytes[0] = next() % 4;
    }
    try {
      const frame = frame_parse(bytes);
      if (frame.type === 'delta') {
        const { seats } = delta_unpack(frame, 500);
        assert.ok(seats.every((n, at) => n < 500 && (at === 0 || n > seats[at - 1])));
      } else if (frame.type === 'snapshot') {
        snapshot_unpack(frame.body, frame.seat_count);
      } else {
        counts_unpack(frame);
      }
    } catch (error) {
      assert.ok(error instanceof frame_error, `seed ${seed}: ${error}`);
    }
  }
});

test('counts come per section', () => {
  const frame = frame_parse(Uint8Array.of(3, ...[200, 3, 0, 1, 0, 0, 9, 0].flatMap(varint_bytes)));
  assert.deepEqual(counts_unpack(frame), [
    { free: 200, held: 3, sold: 0, blocked: 1 }, { free: 0, held: 0, sold: 9, blocked: 0 },
  ]);
});
