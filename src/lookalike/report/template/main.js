/* Fills the sections, one after the other: what goes wrong in one leaves the others alone. */
(function () {
  "use strict";
  const L = window.LK;
  const errors = [];

  function heading() {
    const words = [L.count(L.n, "image")];
    if (L.several) words.push(L.count(L.runs.length, "run"));
    else if (L.runs[0] && L.runs[0].method) words.push(L.runs[0].method);
    if (L.data.written) words.push("written " + String(L.data.written).slice(0, 16).replace("T", " "));
    document.getElementById("byline").textContent = words.join(" · ");
    document.getElementById("footer").textContent =
      "Made by lookalike " + (L.data.version || "") + ". This file needs no network and asks none.";
  }

  function fillSections() {
    const nav = document.getElementById("sections");
    for (const section of document.querySelectorAll("main > section")) {
      try {
        L.parts[section.id](section);
      } catch (error) {
        errors.push(section.id + ": " + error.message);
        console.error(error);
        section.append(L.el("p", { class: "missing", text: "This part could not be drawn: " + error.message }));
      }
      if (!section.hidden) nav.append(L.el("a", { href: "#" + section.id, text: section.dataset.title }));
    }
    if (!("IntersectionObserver" in window)) return;
    const links = new Map(Array.from(nav.children, (a) => [a.getAttribute("href").slice(1), a]));
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        const here = links.get(entry.target.id);
        for (const link of links.values()) link.classList.toggle("here", link === here);
        if (here) nav.scrollLeft = here.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
      }
    }, { rootMargin: "-20% 0px -70% 0px" });
    for (const section of document.querySelectorAll("main > section")) observer.observe(section);
  }

  /* The image asked about, kept in sight where its neighbours are not. */
  function dock() {
    const box = document.getElementById("dock");
    let away = true, touched = false;
    function show() {
      const i = L.state.query;
      box.hidden = i < 0 || !touched || !away;
      if (box.hidden) return;
      box.replaceChildren(L.picture(i, "medium"), L.el("span", { class: "dockname", text: L.fileName(i) }),
        L.el("a", { href: "#closest", text: "its closest 20" }));
    }
    L.on("query", () => { touched = true; show(); });
    if ("IntersectionObserver" in window) {
      new IntersectionObserver((entries) => { away = !entries.at(-1).isIntersecting; show(); })
        .observe(document.getElementById("closest"));
    }
  }

  /* A notebook holds the page in a frame without an address of its own, where #map would be a place in the notebook. */
  function stayInFrame() {
    if (location.protocol !== "about:") return;
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#']");
      const place = link && document.getElementById(link.getAttribute("href").slice(1));
      if (!place) return;
      event.preventDefault();
      place.scrollIntoView();
    });
  }

  /* What tests ask and do; it does what a person can, and no more. */
  window.lookalike = {
    ready: false,
    state: () => ({ ...L.state, selection: Array.from(L.state.selection), moment: L.moment, playing: L.playing(), errors }),
    select: (images) => L.select(images),
    query: (image) => L.set("query", image),
    stop: (stop) => L.set("stop", stop),
    colour: (name) => L.colourBy(name),
    hitTest: (x, y, map) => (L.views[map || 0] ? L.views[map || 0].hit(x, y) : -1),
    where: (image, map) => (L.views[map || 0] ? L.views[map || 0].client(image) : null),
    visible: (map) => (L.views[map || 0] ? L.views[map || 0].visible() : []),
    neighbours: (image, run, snapshot) => L.neighbours(L.runs[run || 0], image, snapshot),
    /* Glide over the whole timeline in so many frames: milliseconds that each took to draw, and between frames. */
    glide: (count) => new Promise((done) => {
      const view = L.views[0], drawn = [], between = [];
      let before = 0;
      function frame(now) {
        if (before) { between.push(now - before); drawn.push(view.placed + view.drawn); }
        before = now;
        if (between.length === count) return done({ drawn, between });
        L.moment = (L.timeline.length - 1) * ((between.length + 0.5) / count);
        view.place();
        return requestAnimationFrame(frame);
      }
      requestAnimationFrame(frame);
    }),
  };

  heading();
  L.state.stop = Math.max(0, L.timeline.length - 1);
  L.moment = L.state.stop;
  L.state.query = L.firstQuery();
  dock();
  stayInFrame();
  fillSections();
  requestAnimationFrame(() => requestAnimationFrame(() => {
    window.lookalike.readyAfter = performance.now();
    window.lookalike.ready = true;
  }));
})();
