/* The panel of the map: the slider, what colours mean, search, and one map a run. */
(function () {
  "use strict";
  const L = window.LK;
  const LEGEND = 40; // classes listed to begin with
  const look = { colouring: null, lit: null, pictures: false, lasso: false };
  let colourings = {};

  const each = (call) => L.views.forEach(call);

  function choice(name, options, value, change) {
    const select = L.el("select", { onchange: () => change(select.value) },
      ...options.map(([key, text]) => L.el("option", { value: key, text })));
    select.value = value;
    return L.el("label", { class: "field" }, L.el("span", { text: name }), select);
  }

  function toggle(names, active, change) {
    const box = L.el("div", { class: "toggle", role: "group" });
    names.forEach(([key, text, title]) => box.append(L.button(text, () => set(key), { "data-key": key, title })));
    function set(key) {
      for (const button of box.children) button.setAttribute("aria-pressed", String(button.dataset.key === key));
      change(key);
    }
    for (const button of box.children) button.setAttribute("aria-pressed", String(button.dataset.key === active));
    return box;
  }

  /* A small drawing of a class's stamp. */
  function key(c) {
    const colour = L.cssRgb(L.categoryColour(c)), svg = L.svg("svg", { viewBox: "-6 -6 12 12", class: "legendkey" });
    const shape = L.SHAPES[L.categoryShape(c)];
    const points = { triangle: "0,-5.5 5,4 -5,4", diamond: "0,-5.8 5.8,0 0,5.8 -5.8,0" }[shape];
    const drawn = shape === "disc" ? L.svg("circle", { r: 4.8 })
      : shape === "square" ? L.svg("rect", { x: -4.4, y: -4.4, width: 8.8, height: 8.8 }) : L.svg("polygon", { points });
    drawn.style.fill = colour;
    svg.append(drawn);
    return svg;
  }

  function legend() {
    const box = L.el("div", { class: "legend" });
    let all = false;

    function light(c) {
      look.lit = look.lit === c ? null : c;
      show();
      each((view) => view.restyle());
    }
    function show() {
      const colouring = look.colouring;
      if (!colouring) return box.replaceChildren(L.el("p", { class: "small", text: "No groups or labels to colour by." }));
      if (colouring.kind === "scale") {
        const bar = L.el("div", { class: "scalebar" });
        const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => L.cssRgb(L.scaleColour(t)));
        bar.style.background = "linear-gradient(90deg," + stops.join(",") + ")";
        return box.replaceChildren(L.el("p", { class: "small", text: colouring.name }), bar, L.el("div", { class: "ends" },
          L.el("span", { text: L.number(colouring.low) }), L.el("span", { text: L.number(colouring.high) })));
      }
      const classes = colouring.classes.map((entry, c) => [entry, c]).filter(([entry]) => entry.size)
        .slice(0, all ? undefined : LEGEND);
      box.replaceChildren(...classes.map(([entry, c]) => L.el("button", { type: "button", class: "entry",
        "aria-pressed": String(look.lit === c), onclick: () => light(c), title: entry.name },
      key(c), L.el("span", { class: "entryname", text: entry.name }),
      L.el("span", { class: "entrysize", text: entry.size.toLocaleString("en") }))));
      if (classes.length === LEGEND && !all) {
        box.append(L.button("all of them", () => { all = true; show(); }, { class: "entry" }));
      }
      return undefined;
    }
    return { box, show };
  }

  function beside(maps) {
    const run = L.runs.find((r) => r.map);
    const fixed = run.snapshots.map((s, i) => [s, i]).filter(([s, i]) => s.kind !== "network" || i === run.snapshots.length - 1);
    if (L.several || fixed.length < 2) return null;
    let second = null;
    return choice("Beside it", [["", "nothing"], ...fixed.map(([s, i]) => [String(i), L.stopName(s)])], "", (value) => {
      if (second) second.remove();
      second = null;
      if (value !== "") {
        second = new L.MapView(run, Number(value), look);
        maps.append(second.element);
      }
      maps.classList.toggle("two", maps.children.length > 1);
    });
  }

  function neighboursOfQuery() {
    const box = L.el("div", { class: "ofquery" });
    function show() {
      const query = L.state.query;
      if (query < 0) return box.replaceChildren();
      box.replaceChildren(L.asked(), ...L.runs.flatMap((run) => {
        const near = L.neighbours(run, query, L.snapshotAt(run, L.state.stop));
        return near ? [L.runHead(run, "h4"), L.el("div", { class: "thumbs small" }, ...near.map((i) =>
          L.thumb(i, L.label(query) === null || L.label(i) === null ? "" : L.label(i) === L.label(query) ? "same" : "other")))] : [];
      }).filter(Boolean));
      return undefined;
    }
    L.on("query", show);
    L.on("stop", show);
    show();
    return box;
  }

  /* Change what colours mean; for the panel and for other parts that offer a colouring. */
  L.colourBy = function (name) {
    look.colouring = colourings[name] || null;
    look.lit = null;
    L.set("colour", name);
    each((view) => view.recolour());
  };
  L.addColouring = (name, colouring) => { colourings[name] = colouring; };

  L.parts.map = function (section) {
    const mount = section.querySelector(".mount"), shown = L.runs.filter((run) => run.map);
    for (const run of L.runs) if (!run.map) mount.append(L.runHead(run) || "", L.missing("map", run));
    if (!shown.length) return mount.append(L.el("div", { class: "tools" }, L.search()), L.tray());
    colourings = { ...L.colourings(), ...colourings };
    const first = ["label", "cluster", "cluster 0"].find((name) => colourings[name]) || Object.keys(colourings)[0] || "";
    look.colouring = colourings[first] || null;
    L.state.colour = first;

    const maps = L.el("div", { class: "maps" }), entries = legend();
    const views = shown.map((run) => new L.MapView(run, null, look));
    maps.append(...views.map((view) => view.element));
    const help = L.el("p", { class: "small maphelp", text:
      "Point to see an image, click to ask for its closest. Drag to move; click once, then the wheel zooms. Shift and drag around points to choose them." });
    const said = L.runs.map((run) => run.reduced && run.reduced.map).filter(Boolean)
      .map((text) => L.el("p", { class: "small reduced", text }));
    maps.classList.toggle("two", views.length > 1);
    const tools = L.el("div", { class: "tools" },
      Object.keys(colourings).length ? choice("Colour", Object.entries(colourings).map(([k, c]) => [k, c.name]), first, (name) => {
        L.colourBy(name);
        entries.show();
      }) : null,
      beside(maps),
      toggle([["points", "Points"], ["pictures", "Pictures"]], "points", (mode) => {
        look.pictures = mode === "pictures";
        each((view) => view.ask());
      }),
      toggle([["move", "Move", "Drag to move; shift and drag to choose"], ["lasso", "Lasso", "Drag around points to choose them"]],
        "move", (mode) => {
          look.lasso = mode === "lasso";
          maps.classList.toggle("lasso", look.lasso);
        }),
      L.el("div", { class: "toggle" },
        L.button("−", () => each((view) => zoomed(view, 1 / 1.4)), { "aria-label": "zoom out" }),
        L.button("+", () => each((view) => zoomed(view, 1.4)), { "aria-label": "zoom in" }),
        L.button("All", () => each((view) => view.reset()), { title: "Show all points" })),
      L.search());
    const zoomed = (view, factor) => view.zoomBy(factor, view.width / view.ratio / 2, view.height / view.ratio / 2);
    mount.append(tools, L.timeline.length > 1 ? L.slider() : "",
      L.el("div", { class: "mapbody" + (views.length > 1 ? " wide" : "") }, L.el("div", {}, maps, help, ...said),
        L.el("aside", { class: "side" }, entries.box, neighboursOfQuery())),
      L.tray());
    entries.show();

    L.onMoment(() => each((view) => { if (view.fixed === null) view.place(); }));
    L.on("query", () => each((view) => view.ask()));
    L.on("hover", () => each((view) => view.ask()));
    L.on("stop", () => each((view) => view.ask()));
    L.on("selection", () => each((view) => view.restyle()));
    L.onTheme(() => { each((view) => { view.restyle(); view.draw(); }); entries.show(); });
    return undefined;
  };
})();
