/* A contact sheet a cluster: its most typical images, those at its border, its size and purity. */
(function () {
  "use strict";
  const L = window.LK;
  const STEP = 12; // sheets shown at once
  const ORDERS = {
    size: ["largest first", (a, b) => b[0].size - a[0].size],
    purity: ["purest first", (a, b) => (b[0].purity ?? -1) - (a[0].purity ?? -1)],
    mixed: ["most mixed first", (a, b) => (a[0].purity ?? 2) - (b[0].purity ?? 2)],
    number: ["by number", (a, b) => a[1] - b[1]],
  };

  function purity(group) {
    if (!Number.isFinite(group.purity)) return null;
    const bar = L.el("span", { class: "purity" }), fill = L.el("span", {});
    fill.style.width = 100 * Math.max(0, Math.min(1, group.purity)) + "%";
    bar.append(fill);
    return L.el("p", { class: "small pure" }, bar,
      L.percent(group.purity) + (group.label ? " are " : " of one label"), group.label ? L.el("b", { text: group.label }) : null);
  }

  function row(name, images) {
    if (!images || !images.length) return null;
    return L.el("div", { class: "strip" }, L.el("span", { class: "small", text: name }), L.thumbs(images));
  }

  function sheet(run, [group, c]) {
    const members = () => {
      const of = L.unpack(run.clusters.of), out = [];
      for (let i = 0; i < of.length; i++) if (of[i] === c) out.push(i);
      L.select(out);
      document.getElementById(L.views.length ? "map" : "tray").scrollIntoView();
    };
    const dot = L.el("i", { class: "dotkey" });
    const tint = () => { dot.style.background = L.cssRgb(L.categoryColour(c)); };
    tint();
    L.onTheme(tint);
    return L.el("article", { class: "sheet" },
      L.el("header", {}, L.el("h4", {}, dot, "Cluster " + c), L.el("span", { class: "small", text: L.count(group.size, "image") }),
        document.getElementById("tray") ? L.button("on the map", members, { class: "quiet" }) : null),
      purity(group), row("typical", group.typical), row("border", group.border));
  }

  function sheets(run) {
    const groups = run.clusters.groups.map((group, c) => [group, c]).filter(([group]) => group.size > 0);
    const empty = run.clusters.groups.length - groups.length;
    const known = groups.some(([group]) => Number.isFinite(group.purity));
    const list = L.el("div", {});
    const show = (order) => list.replaceChildren(
      L.longList(groups.slice().sort(ORDERS[order][1]), (entry) => sheet(run, entry), STEP, "sheets", "cluster"));
    const select = L.el("select", { onchange: () => show(select.value) },
      ...Object.entries(ORDERS).filter(([name]) => known || !["purity", "mixed"].includes(name))
        .map(([name, [text]]) => L.el("option", { value: name, text })));
    show("size");
    const sizes = groups.map(([group]) => group.size).sort((a, b) => a - b);
    const words = groups.length === 1 ? "One cluster of " + L.count(sizes[0], "image")
      : groups.length + " clusters of " + L.number(sizes[0]) + " to " + L.count(sizes.at(-1), "image");
    return L.el("div", {}, L.el("div", { class: "tools" },
      L.el("p", { class: "small", text: words + (run.clusters.way ? ", by " + run.clusters.way : "") +
        (empty ? "; " + L.count(empty, "cluster is", "clusters are") + " empty" : "") + "." }),
      groups.length > 1 ? L.el("label", { class: "field" }, L.el("span", { text: "Order" }), select) : null), list);
  }

  L.parts.clusters = function (section) {
    const mount = section.querySelector(".mount");
    for (const run of L.runs) {
      mount.append(L.el("div", { class: "ofrun" }, L.runHead(run),
        run.clusters ? sheets(run) : L.missing("clusters", run), L.flow(run)));
    }
  };
})();
