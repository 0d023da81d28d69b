/* What to clean: duplicates as groups, outliers as a list, files that were skipped and why. */
(function () {
  "use strict";
  const L = window.LK;
  const STEP = 24;

  function part(title, what, content, save) {
    return L.el("div", { class: "finding" }, L.el("header", {}, L.el("h3", { text: title }), save), L.el("p", { class: "small", text: what }), content);
  }

  function group(images) {
    return L.el("div", { class: "twins" }, L.thumbs(images),
      L.el("ul", { class: "paths" }, ...images.slice(0, 4).map((i) => L.el("li", { text: L.path(i) })),
        images.length > 4 ? L.el("li", { class: "small", text: "and " + (images.length - 4) + " more" }) : null));
  }

  const byPixels = (run) => Boolean(run.duplicates) && run.duplicates.by === "pixels";

  function duplicates(run, kind, title, what) {
    if (!run.duplicates) return kind === "exact" ? part("Duplicates", "", L.missing("duplicates", run)) : null;
    const groups = run.duplicates[kind] || [];
    const images = groups.reduce((sum, g) => sum + g.length, 0);
    const limits = kind === "near" && run.reduced && run.reduced.duplicates ? " " + run.reduced.duplicates : "";
    const none = kind === "near" && byPixels(run) ? "None were found by their pixels." : "None were found.";
    if (!groups.length) return part(title, none + limits, null);
    const rows = () => [["group", "path"], ...groups.flatMap((g, number) => g.map((i) => [number, L.path(i)]))];
    return part(title, what + " " + L.count(groups.length, "group") + " of together " + L.count(images, "image") + "." + limits,
      L.longList(groups, group, STEP, "twinlist", "group"),
      L.button("Save list (CSV)", () => L.download(kind + "-duplicates.csv", L.csv(rows()))));
  }

  function outliers(run) {
    if (!run.outliers) return part("Outliers", "", L.missing("outliers", run));
    if (!run.outliers.length) return part("Outliers", "None were found.", null);
    const item = (entry) => L.el("figure", { class: "odd" }, L.thumb(entry.image),
      L.el("figcaption", {}, L.el("span", { class: "path", text: L.fileName(entry.image) }), L.el("span", { class: "small", text: L.number(entry.score) })));
    const rows = () => [["path", "score"], ...run.outliers.map((entry) => [L.path(entry.image), entry.score])];
    return part("Outliers", "Images unlike all others, the strangest first: broken, misplaced or rare. The number is how far away their nearest are.",
      L.longList(run.outliers, item, STEP, "odds", "image"),
      L.button("Save list (CSV)", () => L.download("outliers.csv", L.csv(rows()))));
  }

  function skipped(run) {
    const files = run.skipped || [];
    if (!files.length) return part("Skipped files", "No file was skipped.", null);
    const item = (file) => L.el("li", {}, L.el("span", { class: "path", text: file.path }), L.el("span", { class: "small", text: file.reason }));
    return part("Skipped files", L.count(files.length, "file") + " could not be used.",
      L.longList(files, item, 100, "skips", "file"),
      L.button("Save list (CSV)", () => L.download("skipped.csv",
        L.csv([["path", "reason"], ...files.map((file) => [file.path, file.reason])]))));
  }

  L.parts.clean = function (section) {
    const mount = section.querySelector(".mount");
    for (const run of L.runs) {
      mount.append(L.el("div", { class: "ofrun" }, L.runHead(run),
        duplicates(run, "exact", "Exact duplicates", "The same pixels under several names."),
        duplicates(run, "near", "Near duplicates", byPixels(run) ? "Almost the same pixels, as of a picture that was resized or saved again."
          : "Almost the same picture: resized, cropped or saved again."),
        outliers(run), skipped(run)));
    }
  };
})();
