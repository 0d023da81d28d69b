/* Thumbnails: pieces of sheets that each travel once, shown by one style rule a sheet. */
(function () {
  "use strict";
  const L = window.LK;
  const sheets = L.images.sheets || [];
  const rules = L.el("style");
  document.head.append(rules);
  sheets.forEach((sheet, s) => {
    const rows = Math.ceil(sheet.count / sheet.columns);
    const source = sheet.src.replace(/["\\\n\r]/g, (c) => "\\" + c.charCodeAt(0).toString(16) + " ");
    rules.sheet.insertRule(
      ".sheet" + s + "{background-image:url(\"" + source + "\");" +
      "background-size:calc(var(--s)*" + sheet.columns + ") calc(var(--s)*" + rows + ")}");
  });

  const sheetOf = new Int16Array(L.n).fill(-1);
  sheets.forEach((sheet, s) => sheetOf.fill(s, sheet.first, Math.min(L.n, sheet.first + sheet.count)));

  L.path = (i) => L.images.paths[i];
  L.fileName = (i) => L.path(i).split(/[\\/]/).pop() || L.path(i);
  L.label = (i) => {
    const c = L.images.label ? L.images.label[i] : -1;
    return c === undefined || c < 0 ? null : L.images.labels[c];
  };
  L.hasLabels = Boolean(L.images.label && L.images.label.some((c) => c >= 0));

  /* What is known of an image, in a line. */
  L.about = function (i) {
    const words = [];
    if (L.label(i) !== null) words.push(L.label(i));
    L.runs.forEach((run) => {
      const c = run.clusters ? L.unpack(run.clusters.of)[i] : -1;
      if (c >= 0) words.push("cluster " + c + (L.several ? " of " + run.name : ""));
    });
    if (L.images.split && L.images.split[i]) words.push(L.images.split[i]);
    return words.join(" · ");
  };

  /* The picture alone. */
  L.picture = function (i, className) {
    const span = L.el("span", { class: "picture " + (className || "") });
    const s = sheetOf[i];
    if (s < 0) {
      span.classList.add("none");
      span.textContent = L.fileName(i).slice(0, 8);
      return span;
    }
    const sheet = sheets[s], k = i - sheet.first;
    span.classList.add("sheet" + s);
    if (sheet.side <= 20) span.classList.add("coarse");
    span.style.backgroundPosition =
      "calc(var(--s)*-" + (k % sheet.columns) + ") calc(var(--s)*-" + Math.floor(k / sheet.columns) + ")";
    return span;
  };

  /* A picture to click: it becomes the query. */
  L.thumb = function (i, className) {
    const about = L.about(i);
    const button = L.el("button", {
      type: "button", class: "thumb " + (className || ""), "data-image": i,
      "aria-label": L.path(i) + (about ? ", " + about : ""),
    }, L.picture(i));
    if (i === L.state.query) button.classList.add("query");
    return button;
  };

  L.thumbs = (images, className) => L.el("div", { class: "thumbs " + (className || "") }, ...images.map((i) => L.thumb(i)));

  /* One listener for all of them: a page holds thousands. */
  const owner = (event) => {
    const thumb = event.target instanceof Element && event.target.closest(".thumb");
    return thumb ? Number(thumb.dataset.image) : -1;
  };
  document.addEventListener("click", (event) => {
    const i = owner(event);
    if (i >= 0) L.set("query", i);
  });
  document.addEventListener("pointerover", (event) => {
    const i = event.pointerType === "touch" ? -1 : owner(event);
    if (i >= 0) {
      const box = event.target.closest(".thumb").getBoundingClientRect();
      L.tip(i, box.left + box.width / 2, box.top);
      L.set("hover", i);
    }
  });
  document.addEventListener("pointerout", (event) => {
    if (owner(event) >= 0) { L.tip(-1); L.set("hover", -1); }
  });
  document.addEventListener("focusin", (event) => {
    const i = owner(event);
    if (i >= 0) L.set("hover", i);
  });
  L.on("query", (query) => {
    for (const thumb of document.querySelectorAll(".thumb.query")) thumb.classList.remove("query");
    for (const thumb of document.querySelectorAll('.thumb[data-image="' + query + '"]')) thumb.classList.add("query");
  });

  /* The tip above what the pointer is on; it never covers it. */
  const tip = document.getElementById("tip");
  let tipped = -1;
  L.tip = function (i, x, y) {
    tip.hidden = i < 0;
    if (i < 0) { tipped = -1; return; }
    if (i !== tipped) {
      tip.replaceChildren(
        L.picture(i, "large"), L.el("strong", { text: L.fileName(i) }), L.el("span", { text: L.about(i) }));
      tipped = i;
    }
    const box = tip.getBoundingClientRect(), gap = 14;
    const left = Math.min(Math.max(8, x - box.width / 2), window.innerWidth - box.width - 8);
    const above = y - box.height - gap;
    tip.style.transform = "translate(" + Math.round(left) + "px," + Math.round(above > 4 ? above : y + gap + 24) + "px)";
  };

  /* Sheets as images, for drawing pictures on the map; decoded when first asked for. */
  const decoded = [];
  L.sheetFor = function (i, ready) {
    const s = sheetOf[i];
    if (s < 0) return null;
    if (!decoded[s]) {
      decoded[s] = new Image();
      decoded[s].addEventListener("load", ready);
      decoded[s].src = sheets[s].src;
    }
    if (!decoded[s].complete || !decoded[s].naturalWidth) return null;
    const sheet = sheets[s], k = i - sheet.first;
    return { image: decoded[s], side: sheet.side, x: (k % sheet.columns) * sheet.side,
      y: Math.floor(k / sheet.columns) * sheet.side };
  };
})();
