/* The closest 20 of one image: a row for each snapshot, the one of the slider drawn large. */
(function () {
  "use strict";
  const L = window.LK;
  const SUGGESTED = 10; // images offered to begin with

  /* Where the neighbours of image i stand in the frames of a run: -1 where they were not recorded. */
  const places = new Map();
  function place(run, i) {
    if (!run.neighbours) return -1;
    if (!places.has(run)) {
      const where = new Int32Array(L.n).fill(-1);
      L.unpack(run.neighbours.rows).forEach((image, position) => (where[image] = position));
      places.set(run, where);
    }
    return places.get(run)[i];
  }

  L.neighbours = function (run, i, snapshot) {
    const position = place(run, i);
    if (position < 0 || !run.neighbours.frames[snapshot]) return null;
    const k = run.neighbours.k, all = L.unpack(run.neighbours.frames[snapshot]);
    return Array.from(all.subarray ? all.subarray(position * k, position * k + k)
      : all.slice(position * k, position * k + k)).filter((j) => j < L.n);
  };

  /* Images to begin with: one of each label, else one of each cluster, else spread over the list. */
  function suggestions() {
    const run = L.runs.find((r) => r.neighbours);
    const rows = run ? Array.from(L.unpack(run.neighbours.rows)) : Array.from({ length: L.n }, (_, i) => i);
    const key = (i) => L.label(i);
    const seen = new Set(), out = [];
    for (const i of rows) {
      if (L.hasLabels && key(i) !== null && !seen.has(key(i)) && out.length < SUGGESTED) { seen.add(key(i)); out.push(i); }
    }
    for (let j = 0; j < SUGGESTED && out.length < Math.min(SUGGESTED, rows.length); j++) {
      const i = rows[Math.floor(((j + 0.5) / SUGGESTED) * rows.length)];
      if (!out.includes(i)) out.push(i);
    }
    return out;
  }

  /* The suggestion whose row changed most from the untrained network to the end shows best what a row can tell. */
  L.firstQuery = function () {
    const run = L.runs.find((r) => r.neighbours), offered = suggestions();
    if (!run || !L.hasLabels) return offered[0] ?? (L.n ? 0 : -1);
    const last = run.neighbours.frames.length - 1;
    const untrained = Math.max(0, run.snapshots.findIndex((s) => s.kind === "untrained"));
    const alike = (i, s) => (L.neighbours(run, i, s) || []).filter((j) => L.label(j) === L.label(i)).length;
    const gain = new Map(offered.map((i) => [i, alike(i, last) - alike(i, untrained)]));
    return offered.reduce((best, i) => (gain.get(i) > gain.get(best) ? i : best), offered[0] ?? -1);
  };

  function row(run, query, snapshot) {
    const near = L.neighbours(run, query, snapshot) || [];
    const own = L.label(query);
    const judged = own === null ? [] : near.filter((i) => L.label(i) !== null);
    const same = judged.filter((i) => L.label(i) === own);
    const line = L.el("div", { class: "thumbs nearest" }, ...near.map((i) => {
      const known = own !== null && L.label(i) !== null;
      return L.thumb(i, known ? (L.label(i) === own ? "same" : "other") : "");
    }));
    const stop = L.timeline.findIndex((_, s) => L.snapshotAt(run, s) === snapshot);
    const name = L.button(L.stopName(run.snapshots[snapshot]), () => L.set("stop", Math.max(0, stop)), { class: "stop" });
    return L.el("div", { class: "moment", "data-snapshot": snapshot }, name, line,
      L.el("span", { class: "score", text: judged.length ? same.length + " of " + judged.length + " alike" : "" }));
  }

  function block(run) {
    const rows = L.el("div", { class: "moments" });
    const box = L.el("div", { class: "closestrun" }, L.runHead(run), rows);

    function highlight() {
      const now = L.snapshotAt(run, L.state.stop);
      for (const line of rows.children) line.classList.toggle("now", Number(line.dataset.snapshot) === now);
    }
    function show() {
      const query = L.state.query;
      if (!run.neighbours) return rows.replaceChildren(L.missing("neighbours", run));
      if (query < 0) return rows.replaceChildren();
      if (place(run, query) < 0) {
        return rows.replaceChildren(L.el("p", { class: "missing", text:
          "The neighbours of this image were not recorded: that was done for " +
          L.count(L.unpack(run.neighbours.rows).length, "image") + " of " + L.n.toLocaleString("en") +
          ". Choose one of those on the map." }));
      }
      rows.replaceChildren(...run.snapshots.map((_, s) => s).filter((s) => run.neighbours.frames[s])
        .map((s) => row(run, query, s)));
      highlight();
      return undefined;
    }
    L.on("query", show);
    L.on("stop", highlight);
    show();
    return box;
  }

  L.asked = function () {
    const box = L.el("div", { class: "asked" });
    function show() {
      const i = L.state.query;
      if (i < 0) return box.replaceChildren();
      return box.replaceChildren(L.picture(i, "large"), L.el("div", {}, L.el("strong", { text: L.fileName(i) }),
        L.path(i) === L.fileName(i) ? null : L.el("span", { class: "path", text: L.path(i) }), L.el("span", { text: L.about(i) })));
    }
    L.on("query", show);
    show();
    return box;
  };

  function rates() {
    const series = [], levels = [];
    let began = false;
    L.runs.forEach((run, r) => {
      const found = run.neighbours;
      if (!found || !found.rate) return;
      const points = found.rate.map((v, s) => [run.snapshots[s], v]).filter(([s, v]) => s && Number.isFinite(v));
      // A network that began with weights of others has its own epoch 0, and the untrained one is a level.
      const begun = points.some(([s]) => s.kind === "network" && s.step === 0);
      const drawn = points.filter(([s]) => s.kind === "network" || (s.kind === "untrained" && !begun));
      began = began || begun;
      series.push({ name: run.name, run: r, points: drawn.map(([s, v]) => [s.kind === "untrained" ? 0 : s.epoch, v]) });
      if (r === 0) {
        const pixels = points.find(([s]) => s.kind === "pixels");
        const untrained = begun && points.find(([s]) => s.kind === "untrained");
        if (untrained) levels.push({ name: "untrained", kind: "untrained", value: untrained[1] });
        if (pixels) levels.push({ name: "raw pixels", kind: "pixels", value: pixels[1] });
        if (Number.isFinite(found.chance)) levels.push({ name: "chance", kind: "chance", value: found.chance });
      }
    });
    return L.chart({ title: "Same label among the closest", percent: true, zero: true, series, levels,
      what: "Average over these images; epoch 0 is the network " + (began ? "as it began." : "untrained.") });
  }

  L.parts.closest = function (section) {
    const mount = section.querySelector(".mount");
    const offered = suggestions();
    const any = L.runs.some((run) => run.neighbours), chart = rates();
    mount.append(L.el("div", { class: "closesthead" }, L.el("div", {}, L.el("div", { class: "ask" }, L.asked(),
      L.el("div", { class: "offer" }, L.el("p", { class: "small", text: "or begin with one of these" }), L.thumbs(offered))),
    any && L.timeline.length > 1 ? L.slider() : null), chart));
    mount.append(...L.runs.map(block));
    if (any && L.hasLabels) {
      mount.append(L.el("p", { class: "keys" },
        L.el("span", {}, L.el("i", { class: "key same" }), "same label as the asked image"),
        L.el("span", {}, L.el("i", { class: "key other" }), "another label")));
    }
  };
})();
