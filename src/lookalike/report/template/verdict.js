/* The figures behind the verdict, each drawn beside what chance, features without training, the untrained network and the weights it began with reach. */
(function () {
  "use strict";
  const L = window.LK;
  const MARKS = [
    ["chance", "chance"],
    ["pixels", "raw pixels"],
    ["histograms", "colour histograms with thumbnails"],
    ["untrained", "the untrained network"],
    ["initial", "the weights it began with"],
  ];

  function track(figure, most, run) {
    const at = (value) => Math.max(0, Math.min(100, (100 * value) / most)) + "%";
    const format = figure.percent ? L.percent : L.number;
    const bar = L.el("div", { class: "track" });
    if (Number.isFinite(figure.value)) {
      const fill = L.el("div", { class: "fill" });
      fill.style.width = at(figure.value);
      fill.style.background = "var(--run" + (run % 6) + ")";
      bar.append(fill);
    }
    const said = [];
    for (const [key, name] of MARKS) {
      if (!Number.isFinite(figure[key])) continue;
      const mark = L.el("i", { class: "at " + key, title: name + ": " + format(figure[key]) });
      mark.style.left = at(figure[key]);
      bar.append(mark);
      said.push(L.el("span", { class: "said" }, L.el("i", { class: "key " + key }),
        key + " " + format(figure[key])));
    }
    return L.el("div", { class: "measured" },
      L.el("div", { class: "reading" }, L.several ? L.swatch(run) : null,
        L.el("b", { text: format(figure.value) })),
      bar, L.el("div", { class: "beside" }, ...said));
  }

  L.parts.verdict = function (section) {
    const mount = section.querySelector("#figures");
    const statements = section.querySelectorAll(".statement");
    L.runs.forEach((run, r) => {
      if (!run.verdict) statements[r].append(L.missing("verdict", run));
      for (const swatch of statements[r].querySelectorAll(".swatch")) {
        swatch.style.setProperty("--run", "var(--run" + (r % 6) + ")");
      }
    });
    const names = new Map(); // one row for a figure that several runs have
    L.runs.forEach((run, r) => {
      for (const figure of (run.verdict && run.verdict.figures) || []) {
        if (!names.has(figure.name)) names.set(figure.name, []);
        names.get(figure.name).push([figure, r]);
      }
    });
    const known = (key) => Array.from(names.values()).flat().some(([f]) => Number.isFinite(f[key]));
    if (names.size) mount.append(L.el("p", { class: "keys" }, L.el("span", {}, L.el("i", { class: "key value" }), "this network"),
      ...MARKS.filter(([key]) => known(key)).map(([key, name]) => L.el("span", {}, L.el("i", { class: "key " + key }), name))));
    for (const [name, found] of names) {
      const values = found.flatMap(([f]) => [f.value, ...MARKS.map(([key]) => f[key])]).filter(Number.isFinite);
      const most = found[0][0].percent ? Math.max(1, ...values) : Math.max(...values, 0) * 1.08 || 1;
      mount.append(L.el("div", { class: "figure" },
        L.el("div", { class: "what" }, L.el("strong", { text: name }), L.el("span", { text: found[0][0].what || "" })),
        L.el("div", {}, ...found.map(([figure, r]) => track(figure, most, r)))));
    }
    const notes = L.data.missing || [];
    if (notes.length) {
      mount.append(L.el("details", { class: "notes" },
        L.el("summary", { text: "What this page does not hold (" + notes.length + ")" }),
        L.el("ul", {}, ...notes.map((text) => L.el("li", { text })))));
    }
  };
})();
