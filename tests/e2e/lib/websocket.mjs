// A WebSocket client of its own (RFC 6455), so that the servers are not tested with the library they are built on.
import http from 'node:http';
import { randomBytes } from 'node:crypto';

/** Connects; rejects with {status} when the handshake is refused. */
export function connect(url, { protocols = [], headers = {} } = {}) {
  const target = new URL(url.replace(/^ws/, 'http'));
  const fields = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'), ...headers };
  if (protocols.length) fields['sec-websocket-protocol'] = protocols.join(', ');
  return new Promise((resolve, reject) => {
    const request = http.request(target, { headers: fields });
    request.on('upgrade', (response, socket, head) => resolve(new Socket(response, socket, head)));
    request.on('response', (response) => { response.resume(); reject(Object.assign(new Error(`refused: ${response.statusCode}`), { status: response.statusCode })); });
    request.on('error', reject);
    request.end();
  });
}

class Socket {
  #buffer = Buffer.alloc(0);
  #waiting = [];
  messages = [];
  close_code = undefined;

  constructor(response, socket, head) {
    this.protocol = response.headers['sec-websocket-protocol'];
    this.socket = socket;
    socket.unref(); // who waits for a message holds the process by a timer; a connection that a failed test left open does not
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('close', () => { this.close_code ??= 1006; this.#wake(); });
    socket.on('error', () => {});
    if (head.length) this.#take(head);
  }

  #take(bytes) {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    while (this.#frame());
    this.#wake();
  }

  #frame() {
    const b = this.#buffer;
    if (b.length < 2) return false;
    let length = b[1] & 0x7f, at = 2;
    if (length === 126) { if (b.length < 4) return false; length = b.readUInt16BE(2); at = 4; }
    if (length === 127) { if (b.length < 10) return false; length = Number(b.readBigUInt64BE(2)); at = 10; }
    if (b.length < at + length) return false;
    const payload = b.subarray(at, at + length), opcode = b[0] & 0xf;
    this.#buffer = b.subarray(at + length);
    if (opcode === 8) { this.close_code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005; this.send(8, payload); this.socket.end(); }
    else if (opcode === 9) this.send(10, payload);
    else if (opcode === 1 || opcode === 2) this.messages.push(opcode === 1 ? payload.toString() : Buffer.from(payload));
    return true;
  }

  #wake() { for (const wake of this.#waiting.splice(0)) wake(); }

  /** A masked frame; `raw` may be anything, also nonsense. */
  send(opcode, payload) {
    const mask = randomBytes(4), data = Buffer.from(payload);
    const head = data.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | data.length])
      : Buffer.from([0x80 | opcode, 0x80 | 126, data.length >> 8, data.length & 0xff]);
    for (let i = 0; i < data.length; i++) data[i] ^= mask[i % 4];
    this.socket.write(Buffer.concat([head, mask, data]));
  }

  /** The next message; fails when the socket closes or nothing comes. */
  async next(seconds = 10) {
    const end = Date.now() + seconds * 1000;
    while (!this.messages.length) {
      if (this.close_code !== undefined) throw new Error(`closed ${this.close_code}`);
      if (Date.now() > end) throw new Error('no message');
      await new Promise((resolve) => { const timer = setTimeout(resolve, 100); this.#waiting.push(() => { clearTimeout(timer); resolve(); }); });
    }
    return this.messages.shift();
  }

  async closed(seconds = 10) {
    const end = Date.now() + seconds * 1000;
    while (this.close_code === undefined && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    return this.close_code;
  }

  close() { this.socket.destroy(); }
}
