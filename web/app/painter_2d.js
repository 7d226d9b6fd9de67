// @ts-check
/**
 * Draws seats without a graphics processor: small sprites, computed once per size, copied into the pixels of
 * an ImageData. Seats hardly overlap, so copying needs no blending, and a hundred thousand seats are a
 * hundred thousand copies of a few pixels each. Sprites exist in four by four sub-pixel places while they
 * are small, so that rows do not shimmer when the map moves.
 */
import {
  LEVEL_COLOURS, LOOK_BLOCKED, LOOK_DIM, LOOK_FREE, LOOK_HELD, LOOK_KIND, LOOK_MINE, LOOK_SOLD, LOOK_SQUARE,
  QUAD_REACH,
} from './seat_look.js';

/** Samples per pixel and axis when a sprite is made. */
const SAMPLES = 4;
/** Sprites up to this radius in device pixels exist at four by four offsets. */
const SUBPIXEL_RADIUS = 7;

/** @param {number} x @param {number} y @param {number[]} a @param {number[]} b distance to the line a-b */
function line_distance(x, y, a, b) {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const t = Math.max(0, Math.min(1, ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy)));
  return Math.hypot(x - a[0] - t * dx, y - a[1] - t * dy);
}

/**
 * @param {number} look
 * @param {number} x in radii
 * @param {number} y
 * @param {boolean} small too small for any shape but a dot
 * @returns {number} 0 outside, 1 inside, 2 inside the tick
 */
function inside(look, x, y, small) {
  const r = Math.hypot(x, y);
  const disc = (look & LOOK_SQUARE) !== 0 ? Math.max(Math.abs(x), Math.abs(y)) < 0.7 : r < 0.8;
  const kind = look & LOOK_KIND;
  if (kind === LOOK_MINE) {
    const tick = Math.min(line_distance(x, y, [-0.42, 0.02], [-0.12, 0.34]),
      line_distance(x, y, [-0.12, 0.34], [0.44, -0.32]));
    return r >= 0.92 ? 0 : tick < 0.11 && !small ? 2 : 1;
  }
  if (kind === LOOK_FREE || small) {
    return Number(disc);
  }
  if (kind === LOOK_HELD) {
    return Number(Math.abs(r - 0.6) < 0.12);
  }
  if (kind === LOOK_SOLD) {
    return Number(Math.min(line_distance(x, y, [-0.4, -0.4], [0.4, 0.4]),
      line_distance(x, y, [-0.4, 0.4], [0.4, -0.4])) < 0.09);
  }
  return Number(line_distance(x, y, [-0.4, 0], [0.4, 0]) < 0.1);
}

/** @param {number} look @param {boolean} small */
function strength(look, small) {
  const kind = look & LOOK_KIND;
  const dim = (look & LOOK_DIM) !== 0 ? 0.16 : 1;
  if (kind === LOOK_HELD && small) {
    return 0.6 * dim;
  }
  if (kind === LOOK_SOLD || kind === LOOK_BLOCKED) {
    return (small ? 0.3 : 0.75) * dim;
  }
  return dim;
}

/** @typedef {{size: number, pixels: Uint32Array}} sprite square; pixels are RGBA as memory has them */

/**
 * @param {number} look
 * @param {number} radius device pixels
 * @param {number} offset_x 0..1, where in its pixel the centre lies
 * @param {number} offset_y
 * @param {{fill: number[], tick: number[]}} colours
 * @returns {sprite}
 */
function make_sprite(look, radius, offset_x, offset_y, { fill, tick }) {
  const reach = Math.ceil(radius) + 1;
  const size = 2 * reach + 1;
  const bytes = new Uint8ClampedArray(size * size * 4);
  const small = radius < ((look & LOOK_KIND) === LOOK_MINE ? 4 : 2.5);
  const alpha = 255 * strength(look, small) / SAMPLES ** 2;
  for (let at = 0; at < size * size; at++) {
    let covered = 0;
    let ticked = 0;
    for (let s = 0; s < SAMPLES ** 2; s++) {
      const x = at % size + (s % SAMPLES + 0.5) / SAMPLES - reach - offset_x;
      const y = Math.floor(at / size) + (Math.floor(s / SAMPLES) + 0.5) / SAMPLES - reach - offset_y;
      const hit = inside(look, x / radius, y / radius, small);
      covered += Number(hit > 0);
      ticked += Number(hit === 2);
    }
    if (covered > 0) {
      const share = ticked / covered;
      for (let c = 0; c < 3; c++) {
        bytes[4 * at + c] = fill[c] + (tick[c] - fill[c]) * share;
      }
      bytes[4 * at + 3] = covered * alpha;
    }
  }
  return { size, pixels: new Uint32Array(bytes.buffer) };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import('../sdk/layout.js').layout} layout
 * @param {Uint8Array} looks
 * @param {import('./seat_grid.js').seat_grid} grid
 * @returns {import('./painter_gl.js').painter}
 */
export function create_2d_painter(canvas, layout, looks, grid) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  /** @type {import('./seat_look.js').palette} */
  let palette;
  /** @type {(sprite | undefined)[]} by look, level and sub-pixel place, of one radius */
  let sprites = [];
  let sprite_radius = 0;
  let ratio = 1;
  let image = new ImageData(1, 1);
  let pixels = new Uint32Array(image.data.buffer);

  /** @param {number} look @param {number} level @param {number} sub */
  function sprite_of(look, level, sub) {
    const free = (look & LOOK_KIND) === LOOK_FREE;
    const key = (look * LEVEL_COLOURS + (free ? level : 0)) * 16 + sub;
    const found = sprites[key];
    if (found) {
      return found;
    }
    const mine = (look & LOOK_KIND) === LOOK_MINE;
    const fill = free ? palette.levels[level] : mine ? palette.ink : palette.quiet;
    const made = make_sprite(look, sprite_radius, (sub & 3) / 4 + 0.125, (sub >> 2) / 4 + 0.125,
      { fill, tick: palette.paper });
    sprites[key] = made;
    return made;
  }

  /** @param {sprite} s @param {number} left @param {number} top */
  function copy_sprite(s, left, top) {
    const { width, height } = image;
    const from_x = Math.max(0, -left);
    const to_x = Math.min(s.size, width - left);
    const to_y = Math.min(s.size, height - top);
    for (let y = Math.max(0, -top); y < to_y; y++) {
      const source = y * s.size;
      const target = (top + y) * width + left;
      for (let x = from_x; x < to_x; x++) {
        const pixel = s.pixels[source + x];
        if (pixel !== 0) {
          pixels[target + x] = pixel;
        }
      }
    }
  }

  return {
    name: 'canvas2d',
    resize(width, height, next_ratio) {
      // More than two device pixels per CSS pixel cost time and show nothing.
      ratio = Math.min(2, next_ratio);
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
      image = new ImageData(canvas.width, canvas.height);
      pixels = new Uint32Array(image.data.buffer);
    },
    set_palette(next) {
      palette = next;
      sprites = [];
    },
    looks_changed() {
      // Every draw reads the looks anew.
    },
    draw(camera) {
      const scale = camera.scale * ratio;
      const exact = layout.pitch * scale * QUAD_REACH;
      const radius = Math.max(0.75, Math.round(exact * 8) / 8);
      if (radius !== sprite_radius) {
        sprite_radius = radius;
        sprites = [];
      }
      const fine = radius <= SUBPIXEL_RADIUS;
      const reach = Math.ceil(radius) + 1;
      const tx = camera.tx * ratio;
      const ty = camera.ty * ratio;
      const view = camera.visible();
      const edge = layout.pitch;
      pixels.fill(0);
      grid.each_in({ x: view.x - edge, y: view.y - edge, w: view.w + 2 * edge, h: view.h + 2 * edge }, (n) => {
        const px = layout.x[n] * scale + tx;
        const py = layout.y[n] * scale + ty;
        const cx = Math.floor(px);
        const cy = Math.floor(py);
        const sub = fine ? (((py - cy) * 4) & 3) << 2 | (((px - cx) * 4) & 3) : 10;
        copy_sprite(sprite_of(looks[n], layout.level[n] % LEVEL_COLOURS, sub), cx - reach, cy - reach);
      });
      context.putImageData(image, 0, 0);
    },
  };
}
