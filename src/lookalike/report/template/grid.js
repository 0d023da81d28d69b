/* A grid over the points of a map, to find the one under the pointer without asking all of them. */
(function () {
  "use strict";
  const L = window.LK;

  L.Grid = class {
    /* xy: Float32Array of n points in [0, 1]. Points are sorted by cell, by counting. */
    constructor(xy, n) {
      this.xy = xy;
      this.side = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(n / 3))));
      this.first = new Uint32Array(this.side * this.side + 1);
      this.order = new Uint32Array(n);
      const cells = new Uint32Array(n);
      for (let i = 0; i < n; i++) {
        cells[i] = this.cell(xy[2 * i]) + this.cell(xy[2 * i + 1]) * this.side;
        this.first[cells[i] + 1]++;
      }
      for (let c = 0; c < this.side * this.side; c++) this.first[c + 1] += this.first[c];
      const next = this.first.slice();
      for (let i = 0; i < n; i++) this.order[next[cells[i]]++] = i;
    }

    cell(v) {
      return Math.max(0, Math.min(this.side - 1, Math.floor(v * this.side)));
    }

    /* The point nearest to (x, y) within a distance, or -1. */
    nearest(x, y, within) {
      const xy = this.xy;
      let best = -1, least = within * within;
      for (let r = this.cell(y - within); r <= this.cell(y + within); r++) {
        for (let c = this.cell(x - within); c <= this.cell(x + within); c++) {
          const cell = r * this.side + c;
          for (let j = this.first[cell]; j < this.first[cell + 1]; j++) {
            const i = this.order[j], dx = xy[2 * i] - x, dy = xy[2 * i + 1] - y, d = dx * dx + dy * dy;
            if (d < least) { least = d; best = i; }
          }
        }
      }
      return best;
    }
  };

  /* Positions of points within a polygon (even-odd rule); both in the same coordinates. */
  L.within = function (xy, n, polygon) {
    const m = polygon.length, out = [];
    const [left, right] = [Math.min(...polygon.map((p) => p[0])), Math.max(...polygon.map((p) => p[0]))];
    const [top, bottom] = [Math.min(...polygon.map((p) => p[1])), Math.max(...polygon.map((p) => p[1]))];
    for (let i = 0; i < n; i++) {
      const x = xy[2 * i], y = xy[2 * i + 1];
      if (x < left || x > right || y < top || y > bottom) continue;
      let inside = false;
      for (let a = 0, b = m - 1; a < m; b = a++) {
        const [xa, ya] = polygon[a], [xb, yb] = polygon[b];
        if (ya > y !== yb > y && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) inside = !inside;
      }
      if (inside) out.push(i);
    }
    return out;
  };
})();
