/* Curves of the training; those of several runs are drawn into the same charts. */
(function () {
  "use strict";
  const L = window.LK;

  /* Points [epoch, mean of a key] of events; several events of an epoch (heads of a method) are averaged. */
  function points(events, key) {
    const sums = new Map();
    for (const event of events || []) {
      const value = event[key];
      if (!Number.isFinite(value) || !Number.isFinite(event.epoch)) continue;
      const [sum, count] = sums.get(event.epoch) || [0, 0];
      sums.set(event.epoch, [sum + value, count + 1]);
    }
    return Array.from(sums, ([epoch, [sum, count]]) => [epoch, sum / count]).sort((a, b) => a[0] - b[0]);
  }

  const networks = (run) => (run.curves.look || []).filter((e) => !e.of || e.of === "network");
  const baseline = (run, of, key) => ((run.curves.look || []).find((e) => e.of === of) || {})[key];

  function series(events, key) {
    return L.runs.map((run, r) => ({ name: run.name, run: r, points: run.curves ? points(events(run), key) : [] }));
  }

  function looked(key, title, what, options) {
    const levels = [];
    const first = L.runs.find((run) => run.curves) || L.runs[0];
    if (first.curves) {
      levels.push({ name: "raw pixels", kind: "pixels", value: baseline(first, "pixels", key) });
      levels.push({ name: "histograms", kind: "histograms", value: baseline(first, "histograms", key) });
      levels.push({ name: "untrained", kind: "untrained", value: baseline(first, "untrained", key) });
    }
    return L.chart({ title, what, series: series(networks, key), levels, ...options });
  }

  function losses() {
    const levels = [], told = new Set();
    L.runs.forEach((run) => {
      const last = (run.curves && run.curves.epoch || []).filter((e) => Number.isFinite(e.chance_loss)).at(-1);
      if (!last || told.has(last.chance_loss)) return;
      told.add(last.chance_loss);
      levels.push({ name: L.several ? "chance, " + run.name : "chance", kind: "chance", value: last.chance_loss });
    });
    return L.chart({ title: "Loss", what: "What training makes small. At chance, nothing has been learned.",
      series: series((run) => run.curves.epoch, "loss"), levels });
  }

  L.parts.curves = function (section) {
    const mount = section.querySelector(".mount");
    const ofEpoch = (key) => series((run) => run.curves.epoch, key);
    const ofClustering = (key) => series((run) => run.curves.clustering, key);
    const charts = [
      losses(),
      looked("retrieval", "Own image found", "How often a new view of an image is nearest to that very image.", { percent: true, zero: true }),
      looked("knn", "kNN accuracy", "Label guessed from the nearest images.", { percent: true }),
      looked("closest", "Same label among the closest 20", "Within the training images.", { percent: true }),
      looked("effective_rank", "Effective rank", "Directions that the features use. Near 1, all images look the same."),
      looked("positive_cosine", "Likeness of two views", "Cosine between an image and a view of it."),
      L.chart({ title: "Agreement with the last clustering", what: "NMI between clusterings: 1 where nothing moved any more.",
        series: ofClustering("nmi_previous") }),
      L.chart({ title: "Agreement with the labels", what: "NMI of clusters and labels, which training never sees.",
        series: ofClustering("nmi_labels") }),
      L.chart({ title: "Empty clusters", what: "Clusters without any image.", zero: true, series: ofClustering("empty") }),
      L.chart({ title: "Learning rate", what: "As scheduled: warmed up, then lowered.", zero: true, series: ofEpoch("lr") }),
      L.chart({ title: "Images per second", what: "Speed of training.", zero: true, series: ofEpoch("images_per_s") }),
    ].filter(Boolean);
    if (L.several && charts.length) {
      mount.append(L.el("p", { class: "keys" }, ...L.runs.map((run, r) => L.el("span", {}, L.swatch(r), run.name))));
    }
    if (charts.length) mount.append(L.el("div", { class: "plots" }, ...charts));
    else mount.append(L.missing("curves"));
  };

  L.parts.views = function (section) {
    const mount = section.querySelector(".mount");
    for (const run of L.runs) {
      const known = typeof run.views === "string" && /^(data:image\/|[^:]*$)/.test(run.views);
      const said = typeof run.views_said === "string" ? L.el("p", {}, run.views_said) : null;
      mount.append(L.el("div", { class: "ofrun" }, L.runHead(run), said, known
        ? L.el("img", { class: "views", src: run.views, alt: "Pairs of views of some images, as " + run.name + " saw them" })
        : L.missing("views", run)));
    }
  };
})();
