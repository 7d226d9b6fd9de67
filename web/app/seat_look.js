// @ts-check
/**
 * How a seat is drawn, shared by both painters. A seat's look is one byte: what it is, whether it is
 * dimmed by the price filter, and whether it is an accessible place. Each kind has a shape of its own, so
 * the state can be told without colour:
 *
 *   free     filled disc in the colour of its price level (an accessible place: a filled square)
 *   held     ring
 *   sold     cross
 *   blocked  bar
 *   mine     large disc in the ink colour with a tick
 */
import { BLOCKED, FREE, HELD, SOLD } from '../sdk/seatmap_frames.js';

export const LOOK_FREE = FREE;
export const LOOK_HELD = HELD;
export const LOOK_SOLD = SOLD;
export const LOOK_BLOCKED = BLOCKED;
export const LOOK_MINE = 4;
export const LOOK_KIND = 0x07;
export const LOOK_DIM = 0x08;
export const LOOK_SQUARE = 0x10;

/** Colours of price levels; a ninth level starts over. */
export const LEVEL_COLOURS = 8;

/** Half the width of a seat's quad, in pitches; the disc is REACH wide at most, so that a tick's halo fits. */
export const QUAD_REACH = 0.56;

/** @typedef {[number, number, number]} rgb 0..255 */
/** @typedef {{levels: rgb[], ink: rgb, paper: rgb, quiet: rgb}} palette */

/** @param {string} text any CSS colour @returns {rgb} */
export function parse_colour(text) {
  const canvas = document.createElement('canvas');
  canvas.width = 1;
  canvas.height = 1;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
  return [r, g, b];
}

/** @param {(name: string) => string} css_value @returns {palette} as the style sheet has it now */
export function read_palette(css_value) {
  const colour = (/** @type {string} */ name) => parse_colour(css_value(name));
  return {
    levels: Array.from({ length: LEVEL_COLOURS }, (_, i) => colour(`--level-${i}`)),
    ink: colour('--ink'),
    paper: colour('--map'),
    quiet: colour('--quiet'),
  };
}
