// Builds frames of holdfast.seatmap.v1 from the text of the wire contract, independently of the decoder.

/** @param {number} value */
export function varint_bytes(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) {
    bytes.push((value % 128) + 128);
  }
  return [...bytes, value];
}

/** @param {Uint8Array} states @param {number} rev @param {number} [flags] @param {Uint8Array} [body] */
export function snapshot_bytes(states, rev, flags = 0, body = pack_states(states)) {
  const bytes = new Uint8Array(16 + body.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 1;
  bytes[1] = flags;
  view.setUint32(4, states.length, true);
  view.setBigUint64(8, BigInt(rev), true);
  bytes.set(body, 16);
  return bytes;
}

/** @param {Uint8Array} states */
export function pack_states(states) {
  const body = new Uint8Array(Math.ceil(states.length / 4));
  states.forEach((state, n) => { body[n >> 2] |= state << (2 * (n % 4)); });
  return body;
}

/** @param {number[][]} changes [seat, state] in seat order @param {number} from_rev @param {number} to_rev */
export function delta_bytes(changes, from_rev, to_rev) {
  let before = 0;
  const body = changes.flatMap(([seat, state]) => {
    const gap = seat - before;
    before = seat;
    return varint_bytes(gap * 4 + state);
  });
  const bytes = new Uint8Array(24 + body.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 2;
  view.setUint32(4, changes.length, true);
  view.setBigUint64(8, BigInt(from_rev), true);
  view.setBigUint64(16, BigInt(to_rev), true);
  bytes.set(body, 24);
  return bytes;
}
