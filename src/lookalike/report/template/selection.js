/* What was chosen: search by file name, the tray of thumbnails, and the list to take away. */
(function () {
  "use strict";
  const L = window.LK;
  const SHOWN = 240; // thumbnails in the tray to begin with
  let lower = null; // paths in small letters, made at the first search

  L.find = function (text) {
    const asked = text.trim().toLowerCase();
    if (!asked) return [];
    lower = lower || L.images.paths.map((path) => path.toLowerCase());
    const found = [];
    lower.forEach((path, i) => { if (path.includes(asked)) found.push(i); });
    return found;
  };

  L.search = function () {
    const input = L.el("input", { type: "search", id: "search", placeholder: "file name", autocomplete: "off", spellcheck: "false" });
    const said = L.el("span", { class: "small", role: "status" });
    input.addEventListener("input", () => {
      const found = L.find(input.value);
      said.textContent = input.value.trim() ? L.count(found.length, "image") : "";
      L.select(found);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && L.state.selection.length) L.set("query", L.state.selection[0]);
      if (event.key === "Escape") { input.value = ""; said.textContent = ""; }
    });
    L.on("selection", (selection) => { if (!selection.length && document.activeElement !== input) { input.value = ""; said.textContent = ""; } });
    return L.el("label", { class: "field find" }, L.el("span", { text: "Find" }), input, said);
  };

  /* The list of some images: path, and what is known of each. */
  L.listOf = function (images) {
    const head = ["path"], columns = [];
    if (L.hasLabels) { head.push("label"); columns.push((i) => L.label(i) ?? ""); }
    if (L.images.split) { head.push("split"); columns.push((i) => L.images.split[i]); }
    L.runs.forEach((run) => {
      if (!run.clusters) return;
      head.push(L.several ? "cluster of " + run.name : "cluster");
      columns.push((i) => { const c = L.unpack(run.clusters.of)[i]; return c < 0 ? "" : c; });
    });
    return L.csv([head, ...images.map((i) => [L.path(i), ...columns.map((column) => column(i))])]);
  };

  L.tray = function () {
    const hint = L.el("p", { class: "small hint", text:
      "Choose images with the lasso, by name, or by a click on a cluster: they appear here, to be looked at and taken away as a list." });
    const body = L.el("div", {}), head = L.el("div", { class: "trayhead" });
    const box = L.el("div", { class: "tray", id: "tray" }, head, body, hint);
    function show() {
      const selection = L.state.selection;
      hint.hidden = selection.length > 0;
      box.classList.toggle("empty", !selection.length);
      if (!selection.length) { head.replaceChildren(); return body.replaceChildren(); }
      head.replaceChildren(
        L.el("strong", { text: L.count(selection.length, "image") + " chosen" }),
        L.button("Save list (CSV)", () => L.download("chosen.csv", L.listOf(L.state.selection)), { id: "save" }),
        L.button("Copy paths", (event) => L.copy(L.state.selection.map(L.path).join("\n"), event.currentTarget)),
        L.button("Clear", () => L.select([]), { title: "Escape" }));
      body.replaceChildren(L.longList(selection, (i) => L.thumb(i), SHOWN, "thumbs", "image"));
      return undefined;
    }
    L.on("selection", show);
    show();
    return box;
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      L.tip(-1);
      if (L.state.selection.length) L.select([]);
    }
    const typing = event.target instanceof Element && event.target.closest("input, select, textarea");
    const search = document.getElementById("search");
    if (event.key === "/" && !typing && search) { search.focus(); event.preventDefault(); }
  });
})();
