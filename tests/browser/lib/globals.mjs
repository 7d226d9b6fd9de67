// What browsers have and node 18 keeps out of its globals.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
globalThis.WebSocket ??= class { static OPEN = 1; };
