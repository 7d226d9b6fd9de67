// @ts-check
/** What is written over the seats: section names from afar, row names and seat numbers from near, news. */

/** From this many pixels between neighbours on, rows are named; and seats numbered. */
const ROW_NAMES_PX = 15;
const SEAT_NUMBERS_PX = 30;
const NEWS_MS = 900;
const NEWS_MAX = 400;

/**
 * @typedef {object} map_labels
 * @property {(width: number, height: number, ratio: number) => void} resize
 * @property {(seats: Iterable<number>) => void} announce rings around seats that have just changed
 * @property {(camera: import('./camera.js').camera, pointed: number) => boolean} draw
 *   whether something is still moving
 */

/** @param {string} label @returns {string} what follows the row's name: "A-12" gives "12" */
export function seat_number(label) {
  return /[^\s\-–/:.]+$/.exec(label)?.[0] ?? label;
}

/** @param {string[]} names @returns {number} how many characters of whole words they all begin with */
function common_words(names) {
  const first = names[0] ?? '';
  let length = first.length;
  for (const name of names) {
    while (!name.startsWith(first.slice(0, length))) {
      length--;
    }
  }
  return first.slice(0, length).lastIndexOf(' ') + 1;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import('../sdk/layout.js').layout} layout
 * @param {Uint8Array} looks
 * @param {import('./seat_grid.js').seat_grid} grid
 * @param {(name: string) => string} css_value
 * @returns {map_labels}
 */
export function create_map_labels(canvas, layout, looks, grid, css_value) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  /** @type {{seat: number, since: number}[]} */
  let news = [];
  let ratio = 1;

  /** @param {string} text @param {number} px @param {number} py */
  function tag(text, px, py) {
    const width = context.measureText(text).width + 16;
    context.fillStyle = css_value('--tag');
    context.beginPath();
    context.roundRect(px - width / 2, py - 11, width, 22, 11);
    context.fill();
    context.fillStyle = css_value('--on-tag');
    context.fillText(text, px, py + 1);
  }

  const prefix = common_words(layout.sections.map(({ name }) => name));

  /** "Block 12" where there is room for it, "12" where there is not. @param {import('../sdk/layout.js').layout_section} section @param {number} scale */
  function section_tag({ name, box }, scale) {
    const fits = context.measureText(name).width <= Math.max(box.w, box.h) * scale;
    return fits ? name : name.slice(prefix);
  }

  /** @param {import('./camera.js').camera} camera */
  function draw_sections(camera) {
    context.font = `600 12px ${css_value('--font')}`;
    /** @type {{left: number, right: number, y: number}[]} */
    const taken = [];
    for (const section of layout.sections) {
      const { box, seat_count } = section;
      const name = section_tag(section, camera.scale);
      const px = (box.x + box.w / 2) * camera.scale + camera.tx;
      const py = (box.y + box.h / 2) * camera.scale + camera.ty;
      const half = context.measureText(name).width / 2 + 9;
      const clash = taken.some((t) => Math.abs(t.y - py) < 24 && px + half > t.left && px - half < t.right);
      const covers = half * 2 > 1.4 * Math.max(box.w, box.h) * camera.scale;
      if (seat_count > 0 && !clash && !covers) {
        tag(name, px, py);
        taken.push({ left: px - half, right: px + half, y: py });
      }
    }
  }

  /** @param {import('./camera.js').camera} camera @param {number} pitch_px */
  function draw_rows(camera, pitch_px) {
    const view = camera.visible();
    context.font = `600 ${Math.min(13, Math.round(pitch_px * 0.5))}px ${css_value('--font')}`;
    context.fillStyle = css_value('--quiet-text');
    for (const row of layout.rows) {
      const ends = [row.seats[0], row.seats[row.seats.length - 1]];
      const x = layout.x[ends[0]];
      const y = layout.y[ends[0]];
      const far = layout.x[ends[1]];
      if (y < view.y || y > view.y + view.h || Math.max(x, far) < view.x || Math.min(x, far) > view.x + view.w) {
        continue;
      }
      const back = far >= x ? -1 : 1;
      const px = (x + back * layout.pitch * 1.05) * camera.scale + camera.tx;
      context.fillText(row.name, px, y * camera.scale + camera.ty + 1);
    }
  }

  /** @param {import('./camera.js').camera} camera @param {number} pitch_px */
  function draw_numbers(camera, pitch_px) {
    context.font = `600 ${Math.round(pitch_px * 0.3)}px ${css_value('--font')}`;
    context.fillStyle = css_value('--on-level');
    grid.each_in(camera.visible(), (n) => {
      if ((looks[n] & 7) === 0 && (looks[n] & 8) === 0) {
        context.fillText(seat_number(layout.label[n]), layout.x[n] * camera.scale + camera.tx,
          layout.y[n] * camera.scale + camera.ty + 1);
      }
    });
  }

  /** @param {import('./camera.js').camera} camera @param {number} pitch_px */
  function draw_news(camera, pitch_px) {
    const now = performance.now();
    news = news.filter(({ since }) => now - since < NEWS_MS);
    context.strokeStyle = css_value('--ink');
    context.lineWidth = 1.5;
    for (const { seat, since } of news) {
      const age = (now - since) / NEWS_MS;
      context.globalAlpha = 0.6 * (1 - age);
      context.beginPath();
      context.arc(layout.x[seat] * camera.scale + camera.tx, layout.y[seat] * camera.scale + camera.ty,
        Math.max(3, pitch_px * 0.45) * (1 + age * 1.2), 0, 2 * Math.PI);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  /** @param {import('./camera.js').camera} camera @param {number} pitch_px @param {number} seat */
  function draw_pointer(camera, pitch_px, seat) {
    context.strokeStyle = css_value('--focus');
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(layout.x[seat] * camera.scale + camera.tx, layout.y[seat] * camera.scale + camera.ty,
      Math.max(5, pitch_px * 0.62), 0, 2 * Math.PI);
    context.stroke();
  }

  return {
    resize(width, height, next_ratio) {
      ratio = next_ratio;
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    },
    announce(seats) {
      if (calm.matches) {
        return;
      }
      const since = performance.now();
      for (const seat of seats) {
        if (news.length >= NEWS_MAX) {
          return;
        }
        news.push({ seat, since });
      }
    },
    draw(camera, pointed) {
      const pitch_px = layout.pitch * camera.scale;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, canvas.width / ratio, canvas.height / ratio);
      context.textAlign = 'center';
      context.textBaseline = 'middle';
      if (pitch_px >= ROW_NAMES_PX) {
        draw_rows(camera, pitch_px);
      } else if (layout.sections.length > 1) {
        draw_sections(camera);
      }
      if (pitch_px >= SEAT_NUMBERS_PX) {
        draw_numbers(camera, pitch_px);
      }
      draw_news(camera, pitch_px);
      if (pointed >= 0) {
        draw_pointer(camera, pitch_px, pointed);
      }
      return news.length > 0;
    },
  };
}
