/* Runs beside each other: what they reached, where they differ, and how far their neighbours agree. */
(function () {
  "use strict";
  const L = window.LK;
  const BINS = 11, LEAST = 40;

  function flat(value, prefix, out) {
    for (const [key, inner] of Object.entries(value || {})) {
      const name = prefix ? prefix + "." + key : key;
      if (inner !== null && typeof inner === "object" && !Array.isArray(inner)) flat(inner, name, out);
      else out[name] = inner;
    }
    return out;
  }
  L.flat = (value) => flat(value, "", {});
  L.shown = (value) => value === null || value === undefined ? "–" : typeof value === "number" ? L.number(value, 5)
    : typeof value === "object" ? JSON.stringify(value) : String(value);

  const heads = () => ["", ...L.runs.map((run, r) => L.el("span", {}, L.swatch(r), run.name))];

  /* Rows of what the runs have under the same names; only those that differ where `different`. */
  function sideBySide(tables, different, format) {
    const names = Array.from(new Set(tables.flatMap((table) => Object.keys(table))));
    return names.map((name) => [name, ...tables.map((table) => (format || L.shown)(table[name]))])
      .filter((row) => !different || new Set(row.slice(1)).size > 1);
  }

  function figures() {
    const tables = L.runs.map((run) => Object.fromEntries(((run.verdict && run.verdict.figures) || [])
      .map((f) => [f.name, f.percent ? L.percent(f.value) : L.number(f.value)])));
    const names = { init: "began with", random: "untrained", pixels: "raw pixels", histograms: "histograms", cluster: "cluster" };
    const plain = (key) => key.split(".").map((word) => names[word] || word).join(" ");
    const measured = L.runs.map((run) => {
      const found = L.flat(run.evaluation || {});
      return Object.fromEntries(Object.entries(found).filter(([name, v]) => Number.isFinite(v) && !name.startsWith("protocol"))
        .map(([name, v]) => [plain(name), /knn|linear|accuracy/.test(name) ? L.percent(v) : L.number(v)]));
    });
    const rows = sideBySide(tables), more = sideBySide(measured);
    return [rows.length ? L.table(heads(), rows, "What was reached") : null,
      more.length ? L.table(heads(), more, "What evaluation found") : L.missing("evaluation")];
  }

  function settings() {
    const tables = L.runs.map((run) => ({ method: run.method, ...L.flat(run.card && run.card.config),
      seed: run.card && run.card.seed, ...Object.fromEntries(Object.entries((run.card && run.card.seconds) || {})
        .map(([phase, s]) => ["seconds: " + phase, s])) }));
    const rows = sideBySide(tables, true);
    return rows.length ? L.table(heads(), rows, "Settings that differ") : null;
  }

  /* Share of an image's closest k that both runs name, per image of the page (NaN where not recorded). */
  function overlap(a, b) {
    const out = new Float64Array(L.n).fill(NaN);
    const last = (run) => run.neighbours.frames.length - 1;
    const mark = new Int32Array(L.n).fill(-1);
    for (const i of L.unpack(a.neighbours.rows)) {
      const near = L.neighbours(a, i, last(a)), other = L.neighbours(b, i, last(b));
      if (!near || !other || !near.length || !other.length) continue;
      for (const j of near) mark[j] = i;
      out[i] = other.filter((j) => mark[j] === i).length / Math.max(near.length, other.length);
    }
    return out;
  }

  function histogram(shares, chance) {
    const counts = new Array(BINS).fill(0);
    for (const v of shares) counts[Math.min(BINS - 1, Math.floor(v * (BINS - 1) + 0.5))]++;
    const most = Math.max(...counts), svg = L.svg("svg", { viewBox: "0 0 360 150", class: "chart", role: "img",
      "aria-label": "Histogram of the overlap over images" });
    const x = (v) => 22 + v * 316;
    counts.forEach((count, b) => {
      const h = (110 * count) / most;
      svg.append(L.svg("rect", { class: "column", x: x(b / (BINS - 1)) - 12, width: 24, y: 120 - h, height: h },
        L.svg("title", { text: L.count(count, "image") })));
      if (b % 2 === 0) svg.append(L.svg("text", { class: "tick", x: x(b / (BINS - 1)), y: 136, "text-anchor": "middle", text: b * 10 + " %" }));
    });
    svg.append(L.svg("line", { class: "base", x1: 8, x2: 352, y1: 120, y2: 120 }),
      L.svg("line", { class: "level chance", x1: x(chance), x2: x(chance), y1: 4, y2: 120 }),
      L.svg("text", { class: "levelname", x: x(chance) + 5, y: 12, text: "chance" }));
    return svg;
  }

  function pairOverlap(a, b, name) {
    const shares = overlap(a, b), known = [];
    shares.forEach((v, i) => { if (!Number.isNaN(v)) known.push(i); });
    if (!known.length) return null;
    const mean = known.reduce((sum, i) => sum + shares[i], 0) / known.length;
    const chance = Math.min(1, a.neighbours.k / Math.max(1, L.unpack(a.neighbours.rows).length - 1));
    L.addColouring(name, L.shades("overlap of neighbours: " + a.name + " and " + b.name,
      Array.from(shares, (v) => (Number.isNaN(v) ? null : v))));
    const least = known.slice().sort((i, j) => shares[i] - shares[j]).slice(0, LEAST);
    return L.el("div", { class: "overlap" },
      L.el("figure", { class: "plot" }, L.el("figcaption", {}, L.el("strong", {}, a.name + " and " + b.name),
        L.el("span", { text: "Of an image's closest " + a.neighbours.k + ", " + L.percent(mean) + " are the same in both, on average; by chance it would be " +
          L.percent(chance) + "." })), histogram(known.map((i) => shares[i]), chance)),
      L.el("div", {}, L.el("p", { class: "small", text: "Images on whose neighbours the two agree least; click one to see both rows." }),
        L.el("div", { class: "thumbs" }, ...least.map((i) => L.thumb(i)))));
  }

  L.parts.compare = function (section) {
    if (!L.several) return;
    section.hidden = false;
    const mount = section.querySelector(".mount"), pairs = [];
    L.runs.forEach((a, i) => L.runs.slice(i + 1).forEach((b, j) => {
      if (a.neighbours && b.neighbours) pairs.push(pairOverlap(a, b, "overlap " + i + " " + (i + 1 + j)));
    }));
    const [reached, evaluated] = figures();
    mount.append(L.el("div", { class: "tables" }, L.el("div", { class: "tables" }, reached, settings()), evaluated),
      L.el("h3", { text: "Do they see the same neighbours?" }),
      ...(pairs.filter(Boolean).length ? pairs.filter(Boolean) : [L.missing("neighbours")]));
  };
})();
