/* A line chart: axes, levels to compare with, values under the pointer or the arrow keys. */
(function () {
  "use strict";
  const L = window.LK;
  const WIDTH = 360, HEIGHT = 190, LEFT = 46, RIGHT = 12, TOP = 10, BOTTOM = 26;

  function ticks(low, high, most) {
    const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 2.5, 5, 10].find((m) => m * power >= raw);
    const out = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) out.push(v + 0 || 0);
    return out;
  }

  /* Levels of one value share a line and a name. */
  function together(levels) {
    const out = new Map();
    for (const level of levels) {
      const before = out.get(level.value);
      out.set(level.value, before ? { ...before, name: before.name + ", " + level.name } : level);
    }
    return Array.from(out.values());
  }

  /* chart({title, what, series: [{name, run, points: [[x, y]]}], levels: [{name, value, run}], percent, zero, x}) */
  L.chart = function (spec) {
    const series = spec.series.filter((s) => s.points.length);
    if (!series.length) return null;
    const levels = together((spec.levels || []).filter((l) => Number.isFinite(l.value)));
    const format = spec.percent ? L.percent : L.number;
    const xs = series.flatMap((s) => s.points.map((p) => p[0]));
    const ys = series.flatMap((s) => s.points.map((p) => p[1])).concat(levels.map((l) => l.value));
    let [x0, x1] = [Math.min(0, ...xs), Math.max(...xs)];
    let [y0, y1] = [Math.min(...ys), Math.max(...ys)];
    if (spec.zero || y0 > 0 && y0 < 0.35 * y1) y0 = Math.min(0, y0);
    if (x1 === x0) { x0 -= 1; x1 += 1; }
    if (y1 === y0) { y1 += Math.abs(y1) * 0.1 || 1; y0 -= y0 ? Math.abs(y0) * 0.1 : 0; }
    const margin = (y1 - y0) * 0.06;
    y1 += margin;
    if (y0 !== 0) y0 -= margin;
    const px = (x) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
    const py = (y) => HEIGHT - BOTTOM - ((y - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);

    const svg = L.svg("svg", { viewBox: "0 0 " + WIDTH + " " + HEIGHT, class: "chart", tabindex: 0, role: "img",
      "aria-label": spec.title + ": " + series.map((s) => (s.name ? s.name + " " : "") +
        "from " + format(s.points[0][1]) + " to " + format(s.points.at(-1)[1])).join("; ") });
    for (const y of ticks(y0, y1, 5.5)) {
      svg.append(L.svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: py(y), y2: py(y) }),
        L.svg("text", { class: "tick", x: LEFT - 6, y: py(y) + 3.5, "text-anchor": "end",
          text: spec.percent ? L.number(100 * Number(y.toPrecision(6))) + " %" : L.number(Number(y.toPrecision(6))) }));
    }
    const whole = ticks(x0, x1, 6).filter(Number.isInteger);
    for (const x of whole) {
      svg.append(L.svg("text", { class: "tick", x: px(x), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle",
        text: L.number(x) }));
    }
    svg.append(L.svg("text", { class: "tick axis", x: WIDTH - RIGHT, y: HEIGHT - 1, "text-anchor": "end",
      text: spec.x || "epoch" }));
    svg.append(L.svg("line", { class: "base", x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
    drawLevels(svg, levels, py);
    for (const s of series) {
      const path = s.points.map((p, i) => (i ? "L" : "M") + px(p[0]).toFixed(1) + " " + py(p[1]).toFixed(1)).join("");
      const line = L.svg("path", { class: "line", d: path });
      line.style.stroke = "var(--run" + ((s.run || 0) % 6) + ")";
      svg.append(line);
      if (s.points.length <= 14) {
        for (const p of s.points) {
          const dot = L.svg("circle", { class: "dot", cx: px(p[0]), cy: py(p[1]), r: 2.4 });
          dot.style.fill = "var(--run" + ((s.run || 0) % 6) + ")";
          svg.append(dot);
        }
      }
    }
    const value = L.el("p", { class: "value" });
    const figure = L.el("figure", { class: "plot" },
      L.el("figcaption", {}, L.el("strong", { text: spec.title }), spec.what ? L.el("span", { text: spec.what }) : null),
      value, svg);
    follow(svg, value, series, px, format, spec.x || "epoch");
    return figure;
  };

  function drawLevels(svg, levels, py) {
    let last = -Infinity;
    for (const level of levels.slice().sort((a, b) => b.value - a.value)) {
      const y = py(level.value), free = Math.max(y - 4, last + 11);
      last = free;
      const line = L.svg("line", { class: "level " + level.kind, x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y });
      svg.append(line, L.svg("text", { class: "levelname", x: WIDTH - RIGHT, y: free, "text-anchor": "end",
        text: level.name }));
    }
  }

  /* The value under the pointer; at rest, the last one. */
  function follow(svg, value, series, px, format, unit) {
    const cross = L.svg("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, x1: 0, x2: 0, visibility: "hidden" });
    svg.append(cross);
    const places = Array.from(new Set(series.flatMap((s) => s.points.map((p) => p[0])))).sort((a, b) => a - b);
    let at = places.length - 1;

    function show(i, pointed) {
      at = Math.max(0, Math.min(places.length - 1, i));
      const x = places[at];
      cross.setAttribute("x1", px(x));
      cross.setAttribute("x2", px(x));
      cross.setAttribute("visibility", pointed ? "visible" : "hidden");
      value.replaceChildren(L.el("span", { class: "where", text: unit + " " + L.number(x) }));
      for (const s of series) {
        const point = s.points.find((p) => p[0] === x);
        if (!point) continue;
        value.append(L.el("span", {}, series.length > 1 ? L.swatch(s.run || 0) : null, format(point[1])));
      }
    }
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * WIDTH;
      let best = 0;
      places.forEach((p, i) => { if (Math.abs(px(p) - x) < Math.abs(px(places[best]) - x)) best = i; });
      show(best, true);
    });
    svg.addEventListener("pointerleave", () => show(places.length - 1, false));
    svg.addEventListener("blur", () => show(places.length - 1, false));
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { show(at + step, true); event.preventDefault(); }
    });
    show(places.length - 1, false);
  }
})();
