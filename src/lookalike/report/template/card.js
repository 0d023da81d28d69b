/* The card: how the run was made, what it was measured to reach, and the commands to go on with it. */
(function () {
  "use strict";
  const L = window.LK;

  function command(entry) {
    const copy = L.button("Copy", () => L.copy(entry.line, copy), { "aria-label": "Copy: " + entry.line });
    return L.el("div", { class: "command" }, L.el("span", { class: "small", text: entry.what }),
      L.el("code", { text: entry.line }), copy);
  }

  function list(title, table) {
    const rows = Object.entries(L.flat(table)).map(([name, value]) => [name, L.shown(value)]);
    if (!rows.length) return null;
    return L.el("details", {}, L.el("summary", { text: title + " (" + rows.length + ")" }), L.table(null, rows));
  }

  function measured(run) {
    if (!run.evaluation) return L.missing("evaluation", run);
    const found = L.flat(run.evaluation);
    const names = [["", "this network"], ["init.", "began with"], ["random.", "untrained"], ["pixels.", "raw pixels"],
      ["histograms.", "histograms"]];
    const what = [["knn", "kNN accuracy"], ["linear", "linear accuracy"], ["cluster.accuracy", "cluster accuracy"],
      ["cluster.nmi", "NMI of clusters and labels"], ["cluster.ari", "ARI of clusters and labels"]];
    const rows = what.map(([key, name]) => [name, ...names.map(([prefix]) => found[prefix + key])])
      .filter((row) => row.slice(1).some(Number.isFinite))
      .map(([name, ...values]) => [name, ...values.map((v) => (name.includes("accuracy") ? L.percent(v) : L.number(v)))]);
    return rows.length ? L.table(["", ...names.map(([, name]) => name)], rows, "What evaluation found") : null;
  }

  function card(run) {
    const about = run.card;
    if (!about) return L.el("div", {}, L.missing("card", run), measured(run));
    const facts = [
      ["method", run.method], ["images", Number.isFinite(about.images) ? about.images.toLocaleString("en") : null], ["seed", about.seed],
      ["started", about.started], ["data fingerprint", about.fingerprint],
      ["time", Object.entries(about.seconds || {}).map(([phase, s]) => phase + " " + L.seconds(s)).join(", ")],
    ].filter(([, value]) => value !== null && value !== undefined && value !== "");
    return L.el("div", {},
      L.el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [L.el("dt", { text: name }), L.el("dd", { text: value })])),
      about.command ? command({ what: "This run was made by", line: about.command }) : null,
      ...(about.commands || []).map(command), measured(run),
      list("Configuration", about.config), list("Versions", about.versions), list("Machine", about.machine),
      run.evaluation ? list("All that evaluation found", run.evaluation) : null);
  }

  L.parts.card = function (section) {
    const mount = section.querySelector(".mount");
    for (const run of L.runs) mount.append(L.el("div", { class: "ofrun" }, L.runHead(run), card(run)));
  };
})();
