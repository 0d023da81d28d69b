/* Making elements. Text reaches the page as text nodes and attributes only, never as markup. */
(function () {
  "use strict";
  const L = window.LK;
  const SVG = "http://www.w3.org/2000/svg";

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "text") element.textContent = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }

  L.el = function (tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
  };

  L.svg = function (tag, attributes, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
  };

  L.missing = function (part, run) {
    return L.el("p", { class: "missing", text: L.why(part, run) });
  };

  L.button = function (text, call, attributes) {
    return L.el("button", { type: "button", onclick: call, text: text, ...(attributes || {}) });
  };

  /* A table whose first column are row heads; a cell is text or an element. */
  L.table = function (head, rows, caption) {
    const body = rows.map((row) =>
      L.el("tr", {}, ...row.map((cell, i) => L.el(i ? "td" : "th", i ? {} : { scope: "row" }, cell))));
    return L.el("div", { class: "scroll" }, L.el("table", {},
      caption ? L.el("caption", { text: caption }) : null,
      head ? L.el("thead", {}, L.el("tr", {}, ...head.map((cell) => L.el("th", { scope: "col" }, cell)))) : null,
      L.el("tbody", {}, ...body)));
  };

  /* The name of a run with its colour, as a heading where there are several. */
  L.runHead = function (run, tag) {
    if (!L.several) return null;
    return L.el(tag || "h3", { class: "run" }, L.swatch(L.runs.indexOf(run)), run.name);
  };

  L.swatch = function (number) {
    const swatch = L.el("i", { class: "swatch", "data-run": number });
    swatch.style.setProperty("--run", "var(--run" + (number % 6) + ")");
    return swatch;
  };

  /* A long list: its first items, and a button for as many again. */
  L.longList = function (items, make, step, className, noun) {
    const list = L.el("div", { class: className || "" });
    const more = L.button("", () => show());
    let shown = 0;
    function show() {
      for (const item of items.slice(shown, shown + step)) list.append(make(item));
      shown = Math.min(items.length, shown + step);
      more.hidden = shown >= items.length;
      more.textContent = "Show more (" + L.count(items.length - shown, noun || "item") + " left)";
    }
    show();
    return L.el("div", {}, list, L.el("p", { class: "more" }, more));
  };

  /* Files to take away. Names may hold bytes that are no UTF-8, which Python hands over as lone surrogates:
     those go out as the bytes they were, so that a list of paths can be used. */
  function encode(text) {
    const encoder = new TextEncoder();
    // With the flag u, a lone surrogate matches and the half of a pair does not.
    return text.split(/([\udc80-\udcff])/u).map((part, i) =>
      i % 2 ? Uint8Array.of(part.charCodeAt(0) & 0xff) : encoder.encode(part));
  }

  L.csv = function (rows) {
    const quote = (value) => {
      const text = String(value);
      return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
    };
    return rows.map((row) => row.map(quote).join(",") + "\r\n").join("");
  };

  L.download = function (name, text) {
    const url = URL.createObjectURL(new Blob(encode(text), { type: "text/csv" }));
    const link = L.el("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  L.copy = function (text, button) {
    const done = () => {
      const before = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = before), 1200);
    };
    const byHand = () => {
      const area = L.el("textarea", { class: "offscreen", "aria-hidden": "true" });
      area.value = text;
      document.body.append(area);
      area.select();
      if (document.execCommand("copy")) done();
      area.remove();
    };
    if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(text).then(done, byHand);
    else byHand();
  };
})();
