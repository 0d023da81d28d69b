/* The slider through time, and what moves between its stops. */
(function () {
  "use strict";
  const L = window.LK;
  const GLIDE_MS = 600, PAUSE_MS = 1300;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const followers = [];
  let timer = 0, frame = 0;

  L.moment = 0; // where the maps stand, between stops while they move
  L.onMoment = (call) => followers.push(call);

  function stand(moment) {
    L.moment = moment;
    for (const call of followers) call(moment);
  }

  /* The two snapshots of a run between which a moment lies, and how far. */
  L.between = function (run, moment) {
    const low = Math.floor(moment), high = Math.ceil(moment);
    return { a: L.snapshotAt(run, low), b: L.snapshotAt(run, high), t: moment - low };
  };

  L.on("stop", (stop) => {
    cancelAnimationFrame(frame);
    const from = L.moment, begun = performance.now();
    if (calm.matches || document.hidden) return stand(stop);
    function glide(now) {
      const share = Math.min(1, Math.max(0, (now - begun) / GLIDE_MS));
      const eased = share < 0.5 ? 2 * share * share : 1 - 2 * (1 - share) * (1 - share);
      stand(share === 1 ? stop : from + (stop - from) * eased);
      if (share < 1) frame = requestAnimationFrame(glide);
    }
    frame = requestAnimationFrame(glide);
    return undefined;
  });

  /* Play: from the start where the end was reached; raw pixels are for comparison and are left out. */
  L.playing = () => timer !== 0;
  const players = [];

  function tell() {
    for (const button of players) {
      button.textContent = L.playing() ? "Pause" : "Play";
      button.setAttribute("aria-pressed", String(L.playing()));
    }
  }
  L.pause = function () {
    clearInterval(timer);
    timer = 0;
    tell();
  };
  L.play = function () {
    if (L.playing()) return L.pause();
    const last = L.timeline.length - 1;
    const first = Math.max(0, L.timeline.findIndex((s) => s.kind !== "pixels"));
    if (L.state.stop >= last) L.set("stop", first);
    timer = setInterval(() => {
      if (L.state.stop >= last) L.pause();
      else L.set("stop", L.state.stop + 1);
    }, PAUSE_MS);
    tell();
    return undefined;
  };

  L.slider = function () {
    const last = L.timeline.length - 1;
    const range = L.el("input", { type: "range", min: 0, max: Math.max(0, last), step: 1, "aria-label": "moment of the training" });
    const name = L.el("output", { class: "stopname" });
    const play = L.button("Play", L.play, { class: "play", "aria-pressed": "false" });
    players.push(play);
    const marks = L.el("div", { class: "marks", "aria-hidden": "true" }, ...L.timeline.map((snapshot, s) => {
      // Among many stops there is no room for the word beside "pixels".
      const short = (snapshot.kind === "network" && snapshot.step > 0) || (snapshot.kind === "untrained" && last > 8);
      const mark = L.el("span", { text: short ? String(snapshot.epoch) : L.stopName(snapshot) });
      mark.style.left = last ? (100 * s) / last + "%" : "50%";
      if (last && (s === 0 || s === last)) mark.classList.add(s ? "last" : "first");
      return mark;
    }));
    if (L.timeline.length > 12) marks.classList.add("many");
    range.addEventListener("input", () => { L.pause(); L.set("stop", Number(range.value)); });
    function show() {
      range.value = L.state.stop;
      name.textContent = L.stopName(L.timeline[L.state.stop]);
      range.setAttribute("aria-valuetext", name.textContent);
      Array.from(marks.children).forEach((mark, s) => mark.classList.toggle("now", s === L.state.stop));
    }
    L.on("stop", show);
    show();
    return L.el("div", { class: "timeline" }, play, L.el("div", { class: "rail" }, range, marks), name);
  };
})();
