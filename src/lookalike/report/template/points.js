/* Points drawn straight into the pixels of a canvas: a stamp a class, blended where it is not opaque. A hundred
   thousand take some milliseconds, where as many calls of the canvas take a hundred. */
(function () {
  "use strict";
  const L = window.LK;
  const FINE = 4; // positions within a pixel, in each direction, so that slow movement is smooth
  const SAMPLES = 4; // per pixel and direction, for the share of it that a shape covers
  const inside = {
    disc: (x, y, r) => x * x + y * y <= r * r,
    square: (x, y, r) => Math.max(Math.abs(x), Math.abs(y)) <= 0.88 * r,
    triangle: (x, y, r) => y <= 0.72 * r && y >= -1.15 * r + 1.8 * Math.abs(x),
    diamond: (x, y, r) => Math.abs(x) + Math.abs(y) <= 1.25 * r,
  };
  const OPAQUE = 64; // levels of opacity: so few that a product of two channels stays a small integer, which is fast
  const stamps = new Map();

  /* For each position within a pixel: offsets of covered pixels, and how opaque (of OPAQUE) each is. */
  function stamp(shape, radius, width, strength) {
    const key = [shape, radius, width, strength].join();
    if (stamps.has(key)) return stamps.get(key);
    if (stamps.size > 200) stamps.clear();
    const reach = Math.ceil(1.3 * radius + 1), made = [];
    for (let f = 0; f < FINE * FINE; f++) {
      const sx = ((f % FINE) + 0.5) / FINE, sy = (Math.floor(f / FINE) + 0.5) / FINE;
      const offsets = [], covers = [];
      for (let y = -reach; y <= reach; y++) {
        for (let x = -reach; x <= reach; x++) {
          let hits = 0;
          for (let q = 0; q < SAMPLES * SAMPLES; q++) {
            const px = x + ((q % SAMPLES) + 0.5) / SAMPLES - sx, py = y + (Math.floor(q / SAMPLES) + 0.5) / SAMPLES - sy;
            if (inside[shape](px, py, radius)) hits++;
          }
          if (hits) { offsets.push(y * width + x); covers.push(Math.round((OPAQUE * strength * hits) / (SAMPLES * SAMPLES))); }
        }
      }
      made.push({ offsets: Int32Array.from(offsets), covers: Uint8Array.from(covers) });
    }
    const result = { reach: reach + 1, fine: made };
    stamps.set(key, result);
    return result;
  }

  const pack = (colour) => 0xff000000 | (colour[2] << 16) | (colour[1] << 8) | colour[0];

  /* One pass a level: 0 stands back, 1 as it is, 2 chosen.
     scene: {pixels: Int32Array, width, height, xy: screen coordinates, n, of: class a point, level: Uint8Array,
             styles: a class: {colour, faded, shape}, none: the style of points without a class, radius, opacity} */
  L.paintPoints = function (scene) {
    const { pixels, width, height, xy, n, of, level, opacity } = scene;
    const all = [scene.none, ...scene.styles];
    for (let pass = 0; pass < 3; pass++) {
      const radius = pass === 2 ? scene.radius * 1.3 : scene.radius;
      const strength = pass === 1 ? opacity : 1;
      const kinds = all.map((s) => stamp(s.shape, radius, width, strength));
      const colours = all.map((s) => pack(pass === 0 ? s.faded : s.colour));
      const reach = Math.max(...kinds.map((k) => k.reach));
      const right = width - reach, bottom = height - reach;
      for (let i = 0; i < n; i++) {
        if (level[i] !== pass) continue;
        const x = xy[2 * i], y = xy[2 * i + 1];
        if (!(x >= reach && x < right && y >= reach && y < bottom)) continue;
        const c = of[i] + 1, column = x | 0, line = y | 0;
        const { offsets, covers } = kinds[c].fine[(((y - line) * FINE) | 0) * FINE + (((x - column) * FINE) | 0)];
        const base = line * width + column, colour = colours[c], rb = colour & 0xff00ff, g = colour & 0xff00;
        for (let j = 0; j < offsets.length; j++) {
          const at = base + offsets[j], a = covers[j];
          if (a === OPAQUE) { pixels[at] = colour; continue; }
          const under = pixels[at], b = OPAQUE - a;
          pixels[at] = 0xff000000 | (((rb * a + (under & 0xff00ff) * b) >> 6) & 0xff00ff) |
            (((g * a + (under & 0xff00) * b) >> 6) & 0xff00);
        }
      }
    }
  };

  L.packColour = pack;
})();
