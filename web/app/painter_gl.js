// @ts-check
/**
 * Draws seats with WebGL2: one instanced quad per seat, its place in a buffer that never changes, its look
 * and price level in two bytes that do. Shapes are distance fields, so they are sharp at every zoom.
 */
import { LEVEL_COLOURS, QUAD_REACH } from './seat_look.js';

const VERTEX = `#version 300 es
layout(location = 0) in vec2 corner;
layout(location = 1) in vec2 place;
layout(location = 2) in uint look;
layout(location = 3) in uint level;
uniform vec2 canvas_px;
uniform vec3 view;
uniform float half_quad;
uniform vec3 level_rgb[${LEVEL_COLOURS}];
out vec2 at;
flat out uint kind;
flat out uint bits;
flat out vec3 fill;
void main() {
  at = corner;
  kind = look & 7u;
  bits = look;
  fill = level_rgb[level % ${LEVEL_COLOURS}u];
  vec2 px = place * view.z + view.xy + corner * half_quad;
  gl_Position = vec4(px / canvas_px * 2.0 - 1.0, 0.0, 1.0) * vec4(1.0, -1.0, 1.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 at;
flat in uint kind;
flat in uint bits;
flat in vec3 fill;
uniform vec3 ink;
uniform vec3 paper;
uniform vec3 quiet;
uniform float half_quad;
out vec4 colour;

float line(vec2 p, vec2 a, vec2 b) {
  vec2 pa = p - a, ba = b - a;
  return length(pa - ba * clamp(dot(pa, ba) / dot(ba, ba), 0.0, 1.0));
}
// Coverage of the inside (d < 0) with an edge one device pixel wide.
float cover(float d) { return clamp(0.5 - d * half_quad, 0.0, 1.0); }

void main() {
  float r = length(at);
  vec2 q = abs(at);
  float disc = (bits & 16u) != 0u ? max(q.x, q.y) - 0.7 : r - 0.8;
  float alpha = 0.0;
  vec3 rgb = quiet;
  if (kind == 0u) {
    alpha = cover(disc);
    rgb = fill;
  } else if (kind == 1u) {
    alpha = half_quad < 2.5 ? 0.6 * cover(disc) : cover(abs(r - 0.6) - 0.12);
  } else if (kind == 2u) {
    alpha = half_quad < 2.5 ? 0.3 * cover(disc)
      : 0.75 * cover(min(line(at, vec2(-0.4), vec2(0.4)), line(at, vec2(-0.4, 0.4), vec2(0.4, -0.4))) - 0.09);
  } else if (kind == 3u) {
    alpha = half_quad < 2.5 ? 0.3 * cover(disc) : 0.75 * cover(line(at, vec2(-0.4, 0.0), vec2(0.4, 0.0)) - 0.1);
  } else {
    alpha = cover(r - 0.92);
    rgb = ink;
    float tick = min(line(at, vec2(-0.42, 0.02), vec2(-0.12, 0.34)), line(at, vec2(-0.12, 0.34), vec2(0.44, -0.32)));
    rgb = mix(rgb, paper, half_quad < 4.0 ? 0.0 : cover(tick - 0.11));
  }
  if ((bits & 8u) != 0u) alpha *= 0.16;
  colour = vec4(rgb * alpha, alpha);
}`;

/**
 * @typedef {object} painter
 * @property {string} name
 * @property {(width: number, height: number, ratio: number) => void} resize CSS pixels, device pixels per one
 * @property {(palette: import('./seat_look.js').palette) => void} set_palette
 * @property {(first: number, end: number) => void} looks_changed
 * @property {(camera: import('./camera.js').camera) => void} draw
 */

/** @param {WebGL2RenderingContext} gl @param {number} kind @param {string} source */
function compile(gl, kind, source) {
  const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  return shader;
}

/** @param {WebGL2RenderingContext} gl @returns {WebGLProgram | null} */
function link_program(gl) {
  const program = /** @type {WebGLProgram} */ (gl.createProgram());
  gl.attachShader(program, compile(gl, gl.VERTEX_SHADER, VERTEX));
  gl.attachShader(program, compile(gl, gl.FRAGMENT_SHADER, FRAGMENT));
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} location
 * @param {ArrayBufferView} data
 * @param {{size: number, integer: boolean, divisor: number, usage: number}} form
 */
function bind_attribute(gl, location, data, { size, integer, divisor, usage }) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, data, usage);
  gl.enableVertexAttribArray(location);
  if (integer) {
    gl.vertexAttribIPointer(location, size, gl.UNSIGNED_BYTE, 0, 0);
  } else {
    gl.vertexAttribPointer(location, size, gl.FLOAT, false, 0, 0);
  }
  gl.vertexAttribDivisor(location, divisor);
  return buffer;
}

/**
 * Whether a real graphics processor draws. A software one is ten times slower than the 2D painter, and not
 * every browser counts it as a major caveat. Asked of a canvas of its own, because a canvas that has given
 * out a WebGL context gives no other.
 */
function has_graphics_processor() {
  const gl = document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true });
  if (!gl) {
    return false;
  }
  const unmasked = gl.getExtension('WEBGL_debug_renderer_info');
  const renderer = String(gl.getParameter(unmasked ? unmasked.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
}

/** @param {import('../sdk/layout.js').layout} layout */
function interleave_places(layout) {
  const places = new Float32Array(layout.seat_count * 2);
  for (let n = 0; n < layout.seat_count; n++) {
    places[2 * n] = layout.x[n];
    places[2 * n + 1] = layout.y[n];
  }
  return places;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import('../sdk/layout.js').layout} layout
 * @param {Uint8Array} looks read on every change; one byte per seat
 * @param {boolean} [anyway] also where software draws
 * @returns {painter | null} null where there is no WebGL2, or only one that runs on the processor
 */
export function create_gl_painter(canvas, layout, looks, anyway = false) {
  if (!anyway && !has_graphics_processor()) {
    return null;
  }
  const gl = canvas.getContext('webgl2', { alpha: true, antialias: false, premultipliedAlpha: true });
  const program = gl && link_program(gl);
  if (!gl || !program) {
    return null;
  }
  gl.useProgram(program);
  const { STATIC_DRAW, DYNAMIC_DRAW } = gl;
  const corners = new Float32Array([-1.15, -1.15, 1.15, -1.15, -1.15, 1.15, 1.15, 1.15]);
  bind_attribute(gl, 0, corners, { size: 2, integer: false, divisor: 0, usage: STATIC_DRAW });
  bind_attribute(gl, 1, interleave_places(layout),
    { size: 2, integer: false, divisor: 1, usage: STATIC_DRAW });
  const look_buffer = bind_attribute(gl, 2, looks,
    { size: 1, integer: true, divisor: 1, usage: DYNAMIC_DRAW });
  bind_attribute(gl, 3, layout.level, { size: 1, integer: true, divisor: 1, usage: STATIC_DRAW });
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);

  const uniform = (/** @type {string} */ name) => gl.getUniformLocation(program, name);
  const view_at = uniform('view');
  const half_quad_at = uniform('half_quad');
  const canvas_at = uniform('canvas_px');
  let ratio = 1;

  return {
    name: 'webgl2',
    resize(width, height, next_ratio) {
      ratio = next_ratio;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.uniform2f(canvas_at, canvas.width, canvas.height);
    },
    set_palette(palette) {
      const unit = (/** @type {number[]} */ rgb) => rgb.map((c) => c / 255);
      gl.uniform3fv(uniform('level_rgb'), palette.levels.flatMap(unit));
      gl.uniform3fv(uniform('ink'), unit(palette.ink));
      gl.uniform3fv(uniform('paper'), unit(palette.paper));
      gl.uniform3fv(uniform('quiet'), unit(palette.quiet));
    },
    looks_changed(first, end) {
      gl.bindBuffer(gl.ARRAY_BUFFER, look_buffer);
      gl.bufferSubData(gl.ARRAY_BUFFER, first, looks, first, end - first);
    },
    draw(camera) {
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform3f(view_at, camera.tx * ratio, camera.ty * ratio, camera.scale * ratio);
      gl.uniform1f(half_quad_at, Math.max(0.75, layout.pitch * camera.scale * ratio * QUAD_REACH));
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, layout.seat_count);
    },
  };
}
