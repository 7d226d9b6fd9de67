// @ts-check
/** What part of the map is on the canvas: CSS pixel = world * scale + offset, kept within bounds. */

/** @typedef {{x: number, y: number, w: number, h: number}} box */
/**
 * @typedef {object} camera
 * @property {number} scale
 * @property {number} tx
 * @property {number} ty
 * @property {(width: number, height: number) => void} resize
 * @property {() => void} fit shows everything
 * @property {(b: box, most?: number) => void} show brings a box into view, zooming no further than `most`
 * @property {(dx: number, dy: number) => void} pan
 * @property {(factor: number, px: number, py: number) => void} zoom about a pixel
 * @property {(px: number, py: number) => {x: number, y: number}} to_world
 * @property {() => box} visible the world box on the canvas
 * @property {() => number} fit_scale
 */

/** A seat never grows beyond this many pixels from neighbour to neighbour. */
const PITCH_MAX_PX = 56;

/**
 * @param {box} world
 * @param {number} pitch world distance of neighbouring seats
 * @returns {camera}
 */
export function create_camera(world, pitch) {
  const margin = pitch * 2;
  const bounds = {
    x: world.x - margin, y: world.y - margin, w: world.w + 2 * margin, h: world.h + 2 * margin,
  };
  let width = 1;
  let height = 1;

  const fit_scale = () => Math.min(PITCH_MAX_PX / pitch, width / bounds.w, height / bounds.h);
  const max_scale = () => Math.max(fit_scale(), PITCH_MAX_PX / pitch);

  /** @param {number} offset @param {number} start @param {number} size @param {number} room */
  function clamp_axis(offset, start, size, room) {
    const scaled = size * self.scale;
    if (scaled <= room) {
      return (room - scaled) / 2 - start * self.scale;
    }
    return Math.min(-start * self.scale, Math.max(room - (start + size) * self.scale, offset));
  }

  function clamp() {
    self.scale = Math.min(max_scale(), Math.max(fit_scale(), self.scale));
    self.tx = clamp_axis(self.tx, bounds.x, bounds.w, width);
    self.ty = clamp_axis(self.ty, bounds.y, bounds.h, height);
  }

  /** @type {camera} */
  const self = {
    scale: 1, tx: 0, ty: 0, fit_scale,
    resize(w, h) {
      const centre = self.to_world(width / 2, height / 2);
      const fitted = self.scale <= fit_scale() * 1.001;
      width = Math.max(1, w);
      height = Math.max(1, h);
      if (fitted) {
        self.fit();
        return;
      }
      self.tx = width / 2 - centre.x * self.scale;
      self.ty = height / 2 - centre.y * self.scale;
      clamp();
    },
    fit() {
      self.scale = fit_scale();
      clamp();
    },
    show(b, most = PITCH_MAX_PX * 0.6 / pitch) {
      const wide = Math.max(b.w, pitch * 4) * 1.25;
      const high = Math.max(b.h, pitch * 4) * 1.25;
      self.scale = Math.min(most, width / wide, height / high);
      clamp();
      self.tx = width / 2 - (b.x + b.w / 2) * self.scale;
      self.ty = height / 2 - (b.y + b.h / 2) * self.scale;
      clamp();
    },
    pan(dx, dy) {
      self.tx += dx;
      self.ty += dy;
      clamp();
    },
    zoom(factor, px, py) {
      const at = self.to_world(px, py);
      self.scale = Math.min(max_scale(), Math.max(fit_scale(), self.scale * factor));
      self.tx = px - at.x * self.scale;
      self.ty = py - at.y * self.scale;
      clamp();
    },
    to_world: (px, py) => ({ x: (px - self.tx) / self.scale, y: (py - self.ty) / self.scale }),
    visible: () => ({
      x: -self.tx / self.scale, y: -self.ty / self.scale, w: width / self.scale, h: height / self.scale,
    }),
  };
  return self;
}
