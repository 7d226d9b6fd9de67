// @ts-check
/** Mouse, wheel, one finger, two fingers: turned into pan, zoom, point and tap on the map. */

/**
 * @typedef {object} gesture_handlers
 * @property {(dx: number, dy: number) => void} pan
 * @property {(factor: number, px: number, py: number) => void} zoom
 * @property {(px: number, py: number, by_touch: boolean) => void} tap
 * @property {(px: number, py: number) => void} point mouse only
 * @property {() => void} leave
 */

/** A press that moves further than this is no tap. */
const TAP_SLOP_PX = 8;

/** @param {HTMLElement} surface @param {gesture_handlers} on */
export function watch_gestures(surface, on) {
  /** @type {Map<number, {x: number, y: number}>} */
  const fingers = new Map();
  let travelled = 0;

  /** @param {PointerEvent | WheelEvent} event */
  function place(event) {
    const box = surface.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @returns {{x: number, y: number, spread: number}} */
  function pair() {
    const [a, b] = [...fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, spread: Math.hypot(a.x - b.x, a.y - b.y) };
  }

  surface.addEventListener('pointerdown', (event) => {
    const on_button = event.target instanceof Element && event.target.closest('button') !== null;
    if (on_button || (event.pointerType === 'mouse' && event.button !== 0)) {
      return;
    }
    surface.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    travelled = fingers.size > 1 ? Infinity : 0;
    on.leave();
  });

  surface.addEventListener('pointermove', (event) => {
    const to = place(event);
    const from = fingers.get(event.pointerId);
    if (!from) {
      if (event.pointerType === 'mouse') {
        on.point(to.x, to.y);
      }
      return;
    }
    const before = fingers.size === 2 ? pair() : null;
    fingers.set(event.pointerId, to);
    travelled += Math.hypot(to.x - from.x, to.y - from.y);
    if (before) {
      const after = pair();
      on.pan(after.x - before.x, after.y - before.y);
      on.zoom(after.spread / Math.max(1, before.spread), after.x, after.y);
    } else if (travelled > TAP_SLOP_PX) {
      on.pan(to.x - from.x, to.y - from.y);
    }
  });

  surface.addEventListener('pointerup', (event) => {
    if (fingers.delete(event.pointerId) && travelled <= TAP_SLOP_PX) {
      const at = place(event);
      on.tap(at.x, at.y, event.pointerType !== 'mouse');
    }
  });
  surface.addEventListener('pointercancel', (event) => fingers.delete(event.pointerId));
  surface.addEventListener('pointerleave', () => on.leave());
  surface.addEventListener('wheel', (event) => {
    event.preventDefault();
    const at = place(event);
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 18 : 1;
    on.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018)), at.x, at.y);
  }, { passive: false });
}
