/* What all parts of the page share: the data, the state that links them, and the timeline. */
(function () {
  "use strict";
  const L = (window.LK = {});
  L.data = JSON.parse(document.getElementById("data").textContent);
  L.images = L.data.images;
  L.runs = L.data.runs;
  L.n = L.images.paths.length;
  L.several = L.runs.length > 1;
  L.parts = {}; // name of a section: function that fills it

  /* State: what is looked at. A part listens to what it shows and never calls another part. */
  L.state = {
    query: -1, // image whose neighbours are asked for
    hover: -1, // image under the pointer
    selection: [], // images chosen by lasso, search or a click on a group
    stop: 0, // moment of the timeline
    colour: "", // what the map's colours mean
  };
  L.chosen = new Uint8Array(L.n); // 1 for images of the selection
  const listeners = {};

  L.on = function (key, call) {
    (listeners[key] = listeners[key] || []).push(call);
  };

  L.set = function (key, value) {
    if (L.state[key] === value) return;
    L.state[key] = value;
    for (const call of listeners[key] || []) call(value);
  };

  L.select = function (images) {
    const sorted = Array.from(new Set(images)).filter((i) => i >= 0 && i < L.n).sort((a, b) => a - b);
    L.chosen.fill(0);
    for (const i of sorted) L.chosen[i] = 1;
    L.set("selection", sorted);
  };

  /* Packed arrays: base64 of little-endian numbers, decoded when first asked for. */
  const TYPES = {
    float32: Float32Array, float64: Float64Array, int32: Int32Array, uint32: Uint32Array,
    uint16: Uint16Array, int16: Int16Array, uint8: Uint8Array,
  };
  const unpacked = new Map();

  function bytes(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const text = atob(base64);
    const out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    return out;
  }

  L.unpack = function (packed) {
    let values = unpacked.get(packed);
    if (!values) {
      values = Array.isArray(packed) ? packed.flat() : new TYPES[packed.dtype](bytes(packed.base64).buffer);
      unpacked.set(packed, values);
    }
    return values;
  };

  /* The timeline: its stops are the snapshots of the run that has most of them. Another run stands at its own
     snapshot of the same kind, networks at the same share of the way. */
  L.timeline = L.runs.reduce((most, run) => (run.snapshots.length > most.length ? run.snapshots : most), []);

  L.snapshotAt = function (run, stop) {
    const own = run.snapshots, asked = L.timeline[stop];
    if (own === L.timeline || !asked || !own.length) return Math.min(stop, Math.max(0, own.length - 1));
    const same = own.map((s, i) => i).filter((i) => own[i].kind === asked.kind);
    if (!same.length) return asked.kind === "network" ? own.length - 1 : 0;
    const others = L.timeline.map((s, i) => i).filter((i) => L.timeline[i].kind === asked.kind);
    const share = others.length > 1 ? others.indexOf(stop) / (others.length - 1) : 1;
    return same[Math.round(share * (same.length - 1))];
  };

  L.stopName = function (snapshot) {
    if (!snapshot) return "";
    if (snapshot.name) return snapshot.name;
    return snapshot.kind === "network" ? "epoch " + snapshot.epoch : snapshot.kind;
  };

  /* The sentence that stands in place of a part. Sentences name their part in words (docs/page.md). */
  const WORDS = {
    verdict: /verdict|\blook\b/i,
    map: /\bmaps?\b|t-SNE|snapshot/i,
    neighbours: /neighbo|closest|snapshot/i,
    clusters: /cluster|group/i,
    duplicates: /duplicate|twice/i,
    outliers: /outlier|unlike/i,
    curves: /curve|metrics/i,
    evaluation: /evaluat|label/i,
    views: /\bviews?\b|augment/i,
    card: /\bcard\b|run\.json|config/i,
  };
  const PLAIN = {
    verdict: "There is no verdict: nothing was measured while this run trained.",
    map: "There is no map: no snapshots were kept of this run.",
    neighbours: "There are no neighbours to show: no snapshots were kept of this run.",
    clusters: "No groups were made of these images.",
    duplicates: "Nobody looked for duplicates.",
    outliers: "Nobody looked for outliers.",
    curves: "No epoch was finished, so there are no curves.",
    evaluation: "Nothing was measured against labels.",
    views: "No sheet of views was kept of this run.",
    card: "This run does not say how it was made.",
  };

  L.why = function (part, run) {
    const said = (L.data.missing || []).filter((sentence) => WORDS[part].test(sentence));
    const own = L.several && run ? said.filter((sentence) => sentence.includes(run.name)) : [];
    return own[0] || said[0] || PLAIN[part];
  };

  /* Numbers and text. */
  L.number = function (value, digits) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e15) return value.toLocaleString("en");
    if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(1);
    return value.toLocaleString("en", { maximumSignificantDigits: digits || (size >= 1000 ? 4 : 3) });
  };

  L.percent = function (value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const share = 100 * value;
    return (share !== 0 && Math.abs(share) < 0.1 ? share.toPrecision(1) : share.toFixed(1)) + " %";
  };

  L.count = function (n, one, many) {
    return n.toLocaleString("en") + " " + (n === 1 ? one : many || one + "s");
  };

  L.seconds = function (s) {
    if (s < 60) return L.number(s) + " s";
    if (s < 3600) return Math.floor(s / 60) + " min " + Math.round(s % 60) + " s";
    return Math.floor(s / 3600) + " h " + Math.round((s % 3600) / 60) + " min";
  };
})();
