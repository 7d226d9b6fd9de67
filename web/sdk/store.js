// @ts-check
/** JSON values in the browser's storage, for browsers that refuse it too: then nothing is remembered. */

/**
 * @typedef {object} json_store
 * @property {(key: string) => any} get the stored value, or null
 * @property {(key: string, value: unknown) => void} set
 * @property {(key: string) => void} remove
 */

/**
 * @param {() => Storage} open called on every use, because merely naming the storage may throw
 * @returns {json_store}
 */
function json_store(open) {
  /** @type {Map<string, unknown>} what this page would have stored if it were allowed to */
  const fallback = new Map();
  return {
    get(key) {
      try {
        return JSON.parse(open().getItem(key) ?? 'null') ?? fallback.get(key) ?? null;
      } catch {
        return fallback.get(key) ?? null;
      }
    },
    set(key, value) {
      try {
        open().setItem(key, JSON.stringify(value));
      } catch {
        fallback.set(key, value);
      }
    },
    remove(key) {
      fallback.delete(key);
      try {
        open().removeItem(key);
      } catch {
        // Nothing was stored.
      }
    },
  };
}

/** Outlives the tab: a place in the line, a booking. */
export const lasting_store = json_store(() => localStorage);
/** This tab only: the pass and what was done with it. */
export const tab_store = json_store(() => sessionStorage);
