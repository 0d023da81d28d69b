/* Colours: after the Okabe-Ito palette, which people with colour-blindness tell apart (its yellow cannot be seen on
   white and gives way to violet there); more classes than that differ in shape, then in lightness. What is ordered goes from dark to bright. */
(function () {
  "use strict";
  const L = window.LK;
  const LIGHT = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#c44a00", "#56b4e9", "#7a2fd0", "#3d3f45"];
  const DARK = ["#3d8fd1", "#e69f00", "#00a878", "#d98cb9", "#d55e00", "#8cd0f8", "#f0e442", "#f4f4f4"];
  const SCALE = [[61, 38, 105], [52, 94, 141], [33, 144, 140], [94, 201, 98], [253, 231, 37]];
  const MOST_CATEGORIES = 200; // a column with more texts than this is no grouping
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  let printing = false;

  L.SHAPES = ["disc", "square", "triangle", "diamond"];
  L.isDark = () => scheme.matches && !printing;
  L.onTheme = function (call) {
    scheme.addEventListener("change", call);
    window.addEventListener("beforeprint", () => { printing = true; call(); });
    window.addEventListener("afterprint", () => { printing = false; call(); });
  };

  L.theme = function () {
    return L.isDark()
      ? { background: [27, 30, 35], ink: "#e8e6e1", none: [110, 116, 125], accent: "#ffffff", halo: "#000000" }
      : { background: [255, 255, 255], ink: "#22262c", none: [170, 174, 180], accent: "#16191d", halo: "#ffffff" };
  };

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  L.mix = (a, b, t) => a.map((v, i) => Math.round(v + (b[i] - v) * t));
  L.cssRgb = (colour) => "rgb(" + colour.join(",") + ")";

  L.categoryColour = function (c) {
    const base = rgb((L.isDark() ? DARK : LIGHT)[c % 8]);
    const round = Math.floor(c / 32) % 3;
    return round ? L.mix(base, round === 1 ? [0, 0, 0] : [255, 255, 255], 0.38) : base;
  };
  L.categoryShape = (c) => Math.floor(c / 8) % 4;

  L.scaleColour = function (t) {
    const x = Math.min(1, Math.max(0, t)) * (SCALE.length - 1), i = Math.min(SCALE.length - 2, Math.floor(x));
    const colour = L.mix(SCALE[i], SCALE[i + 1], x - i);
    return L.isDark() ? L.mix(colour, [255, 255, 255], 0.15) : L.mix(colour, [0, 0, 0], 0.12);
  };

  /* What the map can be coloured by. A colouring gives each image a class: of a category, or of STEPS shades. */
  const STEPS = 32;
  const ROUND = (v) => (Number.isFinite(v) ? v : null);

  function categories(name, texts, order) {
    const found = new Map();
    if (order) order.forEach((text) => found.set(text, 0));
    for (const text of texts) if (text !== null && text !== "") found.set(text, (found.get(text) || 0) + 1);
    const names = Array.from(found.keys());
    if (!order) names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const number = new Map(names.map((text, i) => [text, i]));
    const of = new Int32Array(texts.length);
    texts.forEach((text, i) => (of[i] = number.has(text) ? number.get(text) : -1));
    return { name, kind: "category", of, classes: names.map((text) => ({ name: text, size: found.get(text) })) };
  }

  function shades(name, values) {
    let low = Infinity, high = -Infinity;
    for (const v of values) if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); }
    const of = Int32Array.from(values, (v) =>
      v === null ? -1 : Math.min(STEPS - 1, Math.floor(((v - low) / (high - low || 1)) * STEPS)));
    return { name, kind: "scale", of, low, high, classes: Array.from({ length: STEPS }, () => ({ name: "", size: 0 })) };
  }

  L.shades = shades;

  function column(name, texts) {
    const values = texts.map((text) => (text === "" || text === null ? null : ROUND(Number(text))));
    const numeric = values.every((v, i) => v !== null || texts[i] === "" || texts[i] === null);
    const distinct = new Set(texts).size;
    if (numeric && distinct > 12 && values.some((v) => v !== null)) return shades(name, values);
    return distinct > MOST_CATEGORIES ? null : categories(name, texts);
  }

  L.colourings = function () {
    const all = {};
    L.runs.forEach((run, r) => {
      if (!run.clusters) return;
      const of = L.unpack(run.clusters.of);
      const key = L.several ? "cluster " + r : "cluster";
      all[key] = categories(
        L.several ? "cluster of " + run.name : "cluster", Array.from(of, (c) => (c < 0 ? "" : String(c))),
        Array.from(run.clusters.groups, (_, c) => String(c))); // in their order, so that colours are the sheets'
    });
    const { label, labels, split, columns } = L.images;
    if (labels && labels.length && label) {
      all.label = categories("label", Array.from(label, (c) => (c < 0 ? "" : labels[c])), labels);
    }
    if (split) all.split = categories("split", split);
    for (const [name, texts] of Object.entries(columns || {})) {
      const made = column(name, texts);
      if (made) all["column " + name] = made;
    }
    return all;
  };
})();
