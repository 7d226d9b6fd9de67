// @ts-check
/** The map: two canvases over each other (seats, labels), a camera, gestures, one frame per change. */
import { create_camera } from './camera.js';
import { css_value } from './dom.js';
import { watch_gestures } from './map_gestures.js';
import { create_map_labels } from './map_labels.js';
import { create_2d_painter } from './painter_2d.js';
import { create_gl_painter } from './painter_gl.js';
import { create_seat_grid } from './seat_grid.js';
import { read_palette } from './seat_look.js';

/** Closer than this many pixels between neighbours, a tap means "zoom in", because it could mean many seats. */
const TAP_PITCH_MOUSE_PX = 7;
const TAP_PITCH_TOUCH_PX = 17;
const GLIDE_MS = 260;

/**
 * @typedef {object} seat_map
 * @property {string} painter
 * @property {(first: number, end: number) => void} looks_changed
 * @property {(seats: Iterable<number>) => void} announce
 * @property {(box: import('./camera.js').box | null) => void} show null shows everything
 * @property {(factor: number) => void} zoom_by about the middle
 * @property {(seat: number) => {x: number, y: number}} seat_at CSS pixels within the map
 * @property {() => void} redraw
 */

/**
 * @param {object} options
 * @param {HTMLElement} options.surface
 * @param {HTMLCanvasElement} options.seats
 * @param {HTMLCanvasElement} options.labels
 * @param {import('../sdk/layout.js').layout} options.layout
 * @param {Uint8Array} options.looks
 * @param {(seat: number) => void} options.on_pick
 * @param {string | null} options.painter_wish "webgl2" insists on it
 * @param {(seat: number, px: number, py: number) => void} options.on_point seat -1: nothing is pointed at
 * @returns {seat_map}
 */
export function create_seat_map({ surface, seats, labels, layout, looks, on_pick, on_point, painter_wish }) {
  const grid = create_seat_grid(layout);
  const camera = create_camera(layout.box, layout.pitch);
  const painter = create_gl_painter(seats, layout, looks, painter_wish === 'webgl2')
    ?? create_2d_painter(seats, layout, looks, grid);
  const writing = create_map_labels(labels, layout, looks, grid, css_value);
  let pointed = -1;
  let frame = 0;
  let glide = 0;

  function draw() {
    frame = 0;
    painter.draw(camera);
    if (writing.draw(camera, pointed)) {
      redraw();
    }
  }

  function redraw() {
    frame ||= requestAnimationFrame(draw);
  }

  function resize() {
    const { clientWidth, clientHeight } = surface;
    const ratio = window.devicePixelRatio || 1;
    camera.resize(clientWidth, clientHeight);
    painter.resize(clientWidth, clientHeight, ratio);
    writing.resize(clientWidth, clientHeight, Math.min(2, ratio));
    // At once: a canvas that was resized is empty until it is drawn.
    draw();
  }

  /** Moves to where `aim` puts the camera, along a straight zoom. @param {() => void} aim */
  function glide_to(aim) {
    cancelAnimationFrame(glide);
    const from = { scale: camera.scale, tx: camera.tx, ty: camera.ty };
    aim();
    const to = { scale: camera.scale, tx: camera.tx, ty: camera.ty };
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      redraw();
      return;
    }
    const since = performance.now();
    const step = () => {
      const t = Math.min(1, (performance.now() - since) / GLIDE_MS);
      const eased = 1 - (1 - t) ** 3;
      camera.scale = from.scale * (to.scale / from.scale) ** eased;
      // The offset follows the scale, so that the fixed point of the zoom stays where it is.
      const share = to.scale === from.scale ? eased : (camera.scale - from.scale) / (to.scale - from.scale);
      camera.tx = from.tx + (to.tx - from.tx) * share;
      camera.ty = from.ty + (to.ty - from.ty) * share;
      redraw();
      glide = t < 1 ? requestAnimationFrame(step) : 0;
    };
    step();
  }

  /** @param {number} px @param {number} py */
  function seat_under(px, py) {
    const at = camera.to_world(px, py);
    return grid.nearest(at.x, at.y, layout.pitch * 0.75);
  }

  /** @param {number} seat @param {number} px @param {number} py */
  function point(seat, px, py) {
    if (seat !== pointed) {
      pointed = seat;
      redraw();
    }
    on_point(seat, px, py);
  }

  watch_gestures(surface, {
    pan(dx, dy) {
      cancelAnimationFrame(glide);
      camera.pan(dx, dy);
      redraw();
    },
    zoom(factor, px, py) {
      cancelAnimationFrame(glide);
      camera.zoom(factor, px, py);
      redraw();
    },
    tap(px, py, by_touch) {
      const least = by_touch ? TAP_PITCH_TOUCH_PX : TAP_PITCH_MOUSE_PX;
      if (layout.pitch * camera.scale < least) {
        glide_to(() => camera.zoom(Math.max(2.5, 1.4 * least / (layout.pitch * camera.scale)), px, py));
        return;
      }
      const seat = seat_under(px, py);
      if (seat >= 0) {
        on_pick(seat);
      }
    },
    point: (px, py) => point(layout.pitch * camera.scale < TAP_PITCH_MOUSE_PX ? -1 : seat_under(px, py), px, py),
    leave: () => point(-1, 0, 0),
  });

  const repaint = () => {
    painter.set_palette(read_palette(css_value));
    redraw();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
  repaint();
  new ResizeObserver(resize).observe(surface);

  return {
    painter: painter.name,
    redraw,
    looks_changed(first, end) {
      painter.looks_changed(first, end);
      redraw();
    },
    announce(changed) {
      writing.announce(changed);
      redraw();
    },
    show: (box) => glide_to(() => (box === null ? camera.fit() : camera.show(box))),
    zoom_by: (factor) => glide_to(() => camera.zoom(factor, surface.clientWidth / 2, surface.clientHeight / 2)),
    seat_at: (seat) => ({
      x: layout.x[seat] * camera.scale + camera.tx, y: layout.y[seat] * camera.scale + camera.ty,
    }),
  };
}
