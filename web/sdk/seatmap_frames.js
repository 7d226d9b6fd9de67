// @ts-check
/**
 * The binary frames of `holdfast.seatmap.v1`, little-endian.
 *
 *   snapshot 0x01 | u8 flags (1 = body deflated) | u16 0 | u32 seatCount | u64 rev
 *            then 2 bits per seat, lowest seat in the lowest bits: 0 free, 1 held, 2 sold, 3 blocked
 *   delta    0x02 | u8 0 | u16 0 | u32 changes | u64 fromRev | u64 toRev
 *            then per change, in seat order, a varint (LEB128) of gap << 2 | state;
 *            gap from the previous changed seat, the first from 0
 *   counts   0x03 | per section free, held, sold, blocked as varints
 *
 * Nothing here touches the network or the page. A frame that breaks a rule throws `frame_error` and has
 * changed nothing.
 */

export const FREE = 0;
export const HELD = 1;
export const SOLD = 2;
export const BLOCKED = 3;

/** What the server may never exceed; a frame that claims more is refused before memory is taken. */
export const SEATS_MAX = 1 << 20;

const SNAPSHOT_HEAD = 16;
const DELTA_HEAD = 24;
const FLAG_DEFLATE = 1;

export class frame_error extends Error {}

/**
 * @typedef {object} snapshot_frame
 * @property {'snapshot'} type
 * @property {boolean} deflated
 * @property {number} seat_count
 * @property {number} rev
 * @property {Uint8Array} body
 */
/**
 * @typedef {object} delta_frame
 * @property {'delta'} type
 * @property {number} changes
 * @property {number} from_rev
 * @property {number} to_rev
 * @property {Uint8Array} body
 */
/**
 * @typedef {object} counts_frame
 * @property {'counts'} type
 * @property {Uint8Array} body
 */

/** @param {DataView} view @param {number} at @returns {number} */
function read_rev(view, at) {
  const rev = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(rev)) {
    throw new frame_error('revision does not fit 53 bits');
  }
  return rev;
}

/** @param {Uint8Array} bytes @param {DataView} view @returns {snapshot_frame} */
function parse_snapshot(bytes, view) {
  if (bytes.length < SNAPSHOT_HEAD) {
    throw new frame_error('snapshot head is cut off');
  }
  const flags = bytes[1];
  const seat_count = view.getUint32(4, true);
  if ((flags & ~FLAG_DEFLATE) !== 0) {
    throw new frame_error(`unknown snapshot flags ${flags}`);
  }
  if (seat_count > SEATS_MAX) {
    throw new frame_error(`snapshot of ${seat_count} seats`);
  }
  return {
    type: 'snapshot',
    deflated: (flags & FLAG_DEFLATE) !== 0,
    seat_count,
    rev: read_rev(view, 8),
    body: bytes.subarray(SNAPSHOT_HEAD),
  };
}

/** @param {Uint8Array} bytes @param {DataView} view @returns {delta_frame} */
function parse_delta(bytes, view) {
  if (bytes.length < DELTA_HEAD) {
    throw new frame_error('delta head is cut off');
  }
  const changes = view.getUint32(4, true);
  const from_rev = read_rev(view, 8);
  const to_rev = read_rev(view, 16);
  if (changes > bytes.length - DELTA_HEAD) {
    throw new frame_error(`${changes} changes in ${bytes.length} bytes`);
  }
  if (to_rev < from_rev) {
    throw new frame_error('delta runs backwards');
  }
  return { type: 'delta', changes, from_rev, to_rev, body: bytes.subarray(DELTA_HEAD) };
}

/**
 * Reads the head of a frame; the body stays in the caller's buffer.
 *
 * @param {ArrayBuffer | Uint8Array} frame
 * @returns {snapshot_frame | delta_frame | counts_frame}
 */
export function frame_parse(frame) {
  const bytes = frame instanceof Uint8Array ? frame : new Uint8Array(frame);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (bytes[0]) {
    case 0x01: return parse_snapshot(bytes, view);
    case 0x02: return parse_delta(bytes, view);
    case 0x03: return { type: 'counts', body: bytes.subarray(1) };
    default: throw new frame_error(bytes.length === 0 ? 'empty frame' : `unknown frame type ${bytes[0]}`);
  }
}

/**
 * @param {Uint8Array} body inflated if it had to be
 * @param {number} seat_count
 * @returns {Uint8Array} one byte of state per seat
 */
export function snapshot_unpack(body, seat_count) {
  if (body.length !== Math.ceil(seat_count / 4)) {
    throw new frame_error(`${body.length} bytes for ${seat_count} seats`);
  }
  const states = new Uint8Array(seat_count);
  for (let n = 0; n < seat_count; n++) {
    states[n] = (body[n >> 2] >> ((n & 3) << 1)) & 3;
  }
  return states;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} at
 * @returns {{value: number, next: number}} an unsigned 32-bit LEB128
 */
export function varint_read(bytes, at) {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    if (at + i >= bytes.length) {
      throw new frame_error('varint is cut off');
    }
    const byte = bytes[at + i];
    if (i === 4 && byte > 0x0f) {
      throw new frame_error('varint exceeds 32 bits');
    }
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      return { value, next: at + i + 1 };
    }
  }
  throw new frame_error('varint exceeds 32 bits');
}

/**
 * @param {delta_frame} frame
 * @param {number} seat_count seats of the map it is for
 * @returns {{seats: Uint32Array, states: Uint8Array}} in rising seat order
 */
export function delta_unpack(frame, seat_count) {
  const seats = new Uint32Array(frame.changes);
  const states = new Uint8Array(frame.changes);
  let at = 0;
  let seat = 0;
  for (let i = 0; i < frame.changes; i++) {
    const { value, next } = varint_read(frame.body, at);
    const gap = Math.floor(value / 4);
    if (i > 0 && gap === 0) {
      throw new frame_error(`seat ${seat} twice`);
    }
    seat += gap;
    if (seat >= seat_count) {
      throw new frame_error(`seat ${seat} of ${seat_count}`);
    }
    seats[i] = seat;
    states[i] = value & 3;
    at = next;
  }
  if (at !== frame.body.length) {
    throw new frame_error(`${frame.body.length - at} bytes after the last change`);
  }
  return { seats, states };
}

/**
 * @param {counts_frame} frame
 * @returns {{free: number, held: number, sold: number, blocked: number}[]} in section order
 */
export function counts_unpack(frame) {
  const counts = [];
  let at = 0;
  while (at < frame.body.length) {
    const four = [];
    for (let i = 0; i < 4; i++) {
      const { value, next } = varint_read(frame.body, at);
      four.push(value);
      at = next;
    }
    counts.push({ free: four[0], held: four[1], sold: four[2], blocked: four[3] });
  }
  return counts;
}
