/* One map: the points of a run at a moment, drawn, moved and asked. Several stand side by side, linked by the
   state: what is hovered, asked or chosen in one is marked in all. */
(function () {
  "use strict";
  const L = window.LK;
  const TOUCH = 14, MARGIN = 18; // how near a pointer must be, and free space around the points, in CSS pixels
  const CLICK = 4; // a pointer that moved less than this has clicked
  const SMALLEST = 0.5, LARGEST = 60; // of the zoom

  L.views = [];

  /* fixed: a snapshot that this map stays at, or null to follow the timeline. look: {colouring, lit, pictures, lasso} */
  L.MapView = class {
    constructor(run, fixed, look) {
      Object.assign(this, { run, fixed, look, zoom: 1, cx: 0.5, cy: 0.5, grid: null, path: null, dirty: false });
      this.rows = L.unpack(run.map.rows);
      this.n = this.rows.length;
      this.xy = new Float32Array(2 * this.n); // in [0, 1], at the moment
      this.screen = new Float32Array(2 * this.n); // in pixels of the canvas
      this.level = new Uint8Array(this.n);
      this.position = new Map(Array.from(this.rows, (image, p) => [image, p]));
      this.of = new Int32Array(this.n);
      this.canvas = L.el("canvas", { class: "points", tabindex: 0, role: "application",
        "aria-label": "Map of " + L.count(this.n, "image") +
          ". Arrow keys move it, plus and minus zoom, 0 shows all, Enter asks about the image in the middle, Escape clears the selection." });
      this.name = L.el("span", { class: "momentname" });
      this.element = L.el("div", { class: "mapview" },
        L.el("div", { class: "maphead" }, L.several ? L.swatch(L.runs.indexOf(run)) : null,
          L.several ? L.el("strong", { text: run.name }) : null, this.name), this.canvas);
      this.context = this.canvas.getContext("2d", { alpha: false });
      L.views.push(this);
      L.mapControls(this);
      new ResizeObserver(() => this.resize()).observe(this.canvas);
      this.recolour();
      this.place();
    }

    /* Positions at the moment: between two snapshots while the slider glides. */
    place() {
      const begun = performance.now();
      const frames = this.run.map.frames, last = frames.length - 1;
      const span = this.fixed === null ? L.between(this.run, L.moment) : { a: this.fixed, b: this.fixed, t: 0 };
      const a = L.unpack(frames[Math.min(span.a, last)]), b = L.unpack(frames[Math.min(span.b, last)]);
      if (span.t === 0 || a === b) this.xy.set(a);
      else for (let i = 0; i < this.xy.length; i++) this.xy[i] = a[i] + (b[i] - a[i]) * span.t;
      this.name.textContent = L.stopName(this.run.snapshots[span.t < 0.5 ? span.a : span.b]);
      this.grid = null;
      this.placed = performance.now() - begun;
      this.ask();
    }

    recolour() {
      const colouring = this.look.colouring;
      for (let i = 0; i < this.n; i++) this.of[i] = colouring ? colouring.of[this.rows[i]] : -1;
      this.restyle();
    }

    /* Colours for the theme, and which points stand back. */
    restyle() {
      const { colouring, lit } = this.look, theme = L.theme(), count = colouring ? colouring.classes.length : 0;
      const style = (colour, shape) => ({ colour, shape, faded: L.mix(colour, theme.background, 0.82) });
      this.styles = Array.from({ length: count }, (_, c) => colouring.kind === "scale"
        ? style(L.scaleColour(c / (count - 1)), "disc")
        : style(L.categoryColour(c), L.SHAPES[L.categoryShape(c)]));
      this.none = style(colouring ? theme.none : L.categoryColour(0), "disc");
      const some = L.state.selection.length > 0;
      for (let i = 0; i < this.n; i++) {
        const back = lit !== null && this.of[i] !== lit;
        this.level[i] = some ? (L.chosen[this.rows[i]] ? 2 : 0) : back ? 0 : 1;
      }
      this.ask();
    }

    resize() {
      const ratio = Math.min(2, window.devicePixelRatio || 1), box = this.canvas.getBoundingClientRect();
      this.ratio = ratio;
      this.width = Math.max(1, Math.round(box.width * ratio));
      this.height = Math.max(1, Math.round(box.height * ratio));
      this.canvas.width = this.width;
      this.canvas.height = this.height;
      this.image = this.context.createImageData(this.width, this.height);
      this.pixels = new Int32Array(this.image.data.buffer);
      this.draw();
    }

    /* Draw at the next frame, once however often asked. */
    ask() {
      if (this.dirty || !this.pixels) return;
      this.dirty = true;
      requestAnimationFrame(() => this.draw());
    }

    scale() {
      return (Math.min(this.width, this.height) - 2 * MARGIN * this.ratio) * this.zoom;
    }

    radius() {
      const room = Math.sqrt((this.width * this.height) / (this.ratio * this.ratio) / Math.max(1, this.n));
      return Math.max(1.2, Math.min(5.5, 0.18 * room)) * Math.min(2.2, this.zoom ** 0.45);
    }

    draw() {
      this.dirty = false;
      if (!this.pixels) return;
      const begun = performance.now(), { xy, screen, n, width, height, pixels } = this;
      const k = this.scale(), ox = width / 2 - this.cx * k, oy = height / 2 - this.cy * k;
      for (let i = 0; i < 2 * n; i += 2) {
        screen[i] = xy[i] * k + ox;
        screen[i + 1] = xy[i + 1] * k + oy;
      }
      pixels.fill(L.packColour(L.theme().background));
      L.paintPoints({ pixels, width, height, xy: screen, n, of: this.of, level: this.level, styles: this.styles,
        none: this.none, radius: Math.round(4 * this.radius() * this.ratio) / 4, opacity: n > 2000 ? 0.75 : 0.9 });
      this.context.putImageData(this.image, 0, 0);
      if (this.look.pictures) this.drawPictures();
      this.drawMarks();
      this.drawn = performance.now() - begun;
    }

    /* Pictures where there is room for one, in the order of the rows, so that the same ones stay. */
    drawPictures() {
      const { context, screen, ratio } = this, size = 30 * ratio * Math.min(2, this.zoom ** 0.3), half = 0.48 * size;
      const columns = Math.ceil(this.width / size) + 2, taken = new Map();
      const cell = (x, y) => Math.floor(x / size) + 1 + columns * (Math.floor(y / size) + 1);
      const free = (x, y) => [-1, 0, 1].every((r) => [-1, 0, 1].every((c) => {
        const other = taken.get(cell(x, y) + r * columns + c);
        return other === undefined || Math.abs(screen[2 * other] - x) >= size || Math.abs(screen[2 * other + 1] - y) >= size;
      }));
      context.lineWidth = 1.5 * ratio;
      for (let i = 0; i < this.n; i++) {
        const x = screen[2 * i], y = screen[2 * i + 1];
        if (this.level[i] === 0 || !(x >= 0 && y >= 0 && x < this.width && y < this.height) || !free(x, y)) continue;
        const sheet = L.sheetFor(this.rows[i], () => this.ask());
        if (!sheet) continue;
        taken.set(cell(x, y), i);
        context.drawImage(sheet.image, sheet.x, sheet.y, sheet.side, sheet.side, x - half, y - half, 2 * half, 2 * half);
        context.strokeStyle = L.cssRgb(this.of[i] < 0 ? this.none.colour : this.styles[this.of[i]].colour);
        context.strokeRect(x - half, y - half, 2 * half, 2 * half);
      }
    }

    ring(image, radius, width) {
      const p = this.position.get(image);
      if (p === undefined) return;
      const { context, ratio } = this, theme = L.theme();
      for (const [colour, extra] of [[theme.halo, width], [theme.accent, 0]]) {
        context.beginPath();
        context.arc(this.screen[2 * p], this.screen[2 * p + 1], radius * ratio, 0, 2 * Math.PI);
        context.lineWidth = (width + extra) * ratio;
        context.strokeStyle = colour;
        context.stroke();
      }
    }

    drawMarks() {
      const { context, ratio } = this, theme = L.theme(), r = Math.max(4, this.radius() + 2);
      const query = L.state.query, asked = this.position.get(query);
      if (asked !== undefined) {
        const snapshot = this.fixed === null ? L.snapshotAt(this.run, L.state.stop) : this.fixed;
        const near = (L.neighbours(this.run, query, snapshot) || []).filter((i) => this.position.has(i));
        context.strokeStyle = theme.accent;
        context.globalAlpha = 0.45;
        context.lineWidth = ratio;
        context.beginPath();
        for (const i of near) {
          const p = this.position.get(i);
          context.moveTo(this.screen[2 * asked], this.screen[2 * asked + 1]);
          context.lineTo(this.screen[2 * p], this.screen[2 * p + 1]);
        }
        context.stroke();
        context.globalAlpha = 1;
        for (const i of near) this.ring(i, r, 1.2);
        this.ring(query, r + 3, 2.5);
      }
      if (L.state.hover >= 0) this.ring(L.state.hover, r + 2, 2);
      if (this.canvas.matches(":focus-visible")) this.cross();
      if (this.path && this.path.length > 1) {
        context.beginPath();
        this.path.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x * ratio, y * ratio));
        context.closePath();
        context.setLineDash([5 * ratio, 4 * ratio]);
        context.lineWidth = 1.5 * ratio;
        context.strokeStyle = theme.accent;
        context.stroke();
        context.setLineDash([]);
      }
    }

    /* The middle, for whom the keys are the pointer. */
    cross() {
      const { context, ratio } = this, x = this.width / 2, y = this.height / 2;
      context.lineWidth = 1.5 * ratio;
      context.strokeStyle = L.theme().accent;
      context.beginPath();
      for (const [dx, dy] of [[9, 0], [-9, 0], [0, 9], [0, -9]]) {
        context.moveTo(x + (dx * ratio) / 3, y + (dy * ratio) / 3);
        context.lineTo(x + dx * ratio, y + dy * ratio);
      }
      context.stroke();
    }

    /* Coordinates of the map from CSS pixels of the canvas, and the page's from an image. */
    toMap(x, y) {
      const k = this.scale();
      return [(x * this.ratio - this.width / 2) / k + this.cx, (y * this.ratio - this.height / 2) / k + this.cy];
    }

    client(image) {
      const p = this.position.get(image);
      if (p === undefined) return null;
      const box = this.canvas.getBoundingClientRect(), k = this.scale();
      return [box.left + ((this.xy[2 * p] - this.cx) * k + this.width / 2) / this.ratio,
        box.top + ((this.xy[2 * p + 1] - this.cy) * k + this.height / 2) / this.ratio];
    }

    /* The image under CSS pixel (x, y) of the canvas, or -1. */
    hit(x, y, within) {
      if (!this.grid) this.grid = new L.Grid(this.xy, this.n);
      const [mx, my] = this.toMap(x, y);
      const p = this.grid.nearest(mx, my, ((within || TOUCH) * this.ratio) / this.scale());
      return p < 0 ? -1 : this.rows[p];
    }

    /* Choose what lies within a closed line, given in CSS pixels of the canvas. */
    choose(line) {
      const polygon = line.map(([x, y]) => this.toMap(x, y));
      L.select(L.within(this.xy, this.n, polygon).map((p) => this.rows[p]));
    }

    zoomBy(factor, x, y) {
      const [mx, my] = this.toMap(x, y);
      this.zoom = Math.max(SMALLEST, Math.min(LARGEST, this.zoom * factor));
      const [nx, ny] = this.toMap(x, y);
      this.cx += mx - nx;
      this.cy += my - ny;
      this.ask();
    }

    pan(dx, dy) {
      const k = this.scale() / this.ratio;
      this.cx -= dx / k;
      this.cy -= dy / k;
      this.ask();
    }

    reset() {
      Object.assign(this, { zoom: 1, cx: 0.5, cy: 0.5 });
      this.ask();
    }

    /* Images that are drawn within the canvas now. */
    visible() {
      const [left, top] = this.toMap(0, 0), [right, bottom] = this.toMap(this.width / this.ratio, this.height / this.ratio);
      return Array.from(this.rows).filter((_, p) => {
        const x = this.xy[2 * p], y = this.xy[2 * p + 1];
        return x >= left && x <= right && y >= top && y <= bottom;
      });
    }

    remove() {
      L.views.splice(L.views.indexOf(this), 1);
      this.element.remove();
    }
  };
  L.CLICK = CLICK;
})();
