/* How images flowed between the clusters of successive clusterings. */
(function () {
  "use strict";
  const L = window.LK;
  const NODES = 24; // clusters of a clustering that are drawn by themselves; the others are one
  const WIDTH = 920, HEIGHT = 340, BAR = 7, GAP = 2, SIDE = 30;
  const MOST = 9; // clusterings drawn at once

  /* Share of images that moved on with the largest part of their cluster: 1 where clusters stay whole. */
  function stayed(counts) {
    const largest = new Map();
    let all = 0;
    for (const [from, , images] of counts) {
      largest.set(from, Math.max(largest.get(from) || 0, images));
      all += images;
    }
    let kept = 0;
    for (const images of largest.values()) kept += images;
    return all ? kept / all : NaN;
  }

  /* Evenly chosen steps would break the chain, so the last ones are drawn. */
  function columnsOf(flow) {
    const columns = flow.map((step) => ({ epoch: step.from_epoch, sizes: new Map() }));
    columns.push({ epoch: flow.at(-1).to_epoch, sizes: new Map() });
    const add = (sizes, c, images) => sizes.set(c, (sizes.get(c) || 0) + images);
    flow.forEach((step, s) => {
      for (const [from, to, images] of step.counts) {
        add(columns[s].sizes, from, images);
        if (s === flow.length - 1) add(columns[s + 1].sizes, to, images);
      }
    });
    for (const column of columns) {
      const ranked = Array.from(column.sizes).sort((a, b) => b[1] - a[1]);
      column.own = new Set(ranked.slice(0, NODES).map(([c]) => c));
      column.nodes = new Map(ranked.slice(0, NODES).map(([c, size]) => [c, { name: "cluster " + c, size }]));
      const rest = ranked.slice(NODES).reduce((sum, [, size]) => sum + size, 0);
      if (rest) column.nodes.set("others", { name: "the " + (ranked.length - NODES) + " smaller ones", size: rest });
    }
    return columns;
  }

  function linksOf(flow, columns) {
    return flow.map((step, s) => {
      const links = new Map();
      for (const [from, to, images] of step.counts) {
        const a = columns[s].own.has(from) ? from : "others", b = columns[s + 1].own.has(to) ? to : "others";
        const key = a + ">" + b;
        if (!links.has(key)) links.set(key, { a: columns[s].nodes.get(a), b: columns[s + 1].nodes.get(b), images: 0 });
        links.get(key).images += images;
      }
      return Array.from(links.values()).filter((link) => link.a && link.b);
    });
  }

  /* Nodes from top to bottom: by the mean place of what flows into them, so that ribbons cross little. */
  function stack(columns, links) {
    columns.forEach((column, s) => {
      const nodes = Array.from(column.nodes.values());
      if (s) {
        for (const node of nodes) {
          let sum = 0, weight = 0;
          for (const link of links[s - 1]) {
            if (link.b === node) { sum += link.images * (link.a.y + link.a.h / 2); weight += link.images; }
          }
          node.wish = weight ? sum / weight : HEIGHT;
        }
        nodes.sort((a, b) => a.wish - b.wish);
      } else nodes.sort((a, b) => b.size - a.size);
      const all = nodes.reduce((sum, node) => sum + node.size, 0) || 1, room = HEIGHT - GAP * (nodes.length - 1);
      let y = 0;
      nodes.forEach((node, i) => {
        Object.assign(node, { y, h: Math.max(1, (node.size / all) * room), out: 0, into: 0 });
        node.colour = s === 0 || node.name.startsWith("the ") ? i : null;
        y += node.h + GAP;
      });
      column.order = nodes;
    });
    // A cluster takes the colour of the one that most of it came from.
    links.forEach((step, s) => {
      for (const node of columns[s + 1].order) {
        const into = step.filter((link) => link.b === node).sort((a, b) => b.images - a.images)[0];
        node.colour = into ? into.a.colour : 0;
      }
    });
  }

  function draw(flow) {
    const columns = columnsOf(flow), links = linksOf(flow, columns);
    stack(columns, links);
    const svg = L.svg("svg", { class: "flow", viewBox: "0 0 " + WIDTH + " " + (HEIGHT + 28), role: "img",
      "aria-label": "Flow of images between clusters of " + columns.length + " clusterings" });
    const x = (s) => SIDE + (s / (columns.length - 1)) * (WIDTH - 2 * SIDE - BAR);
    const tint = (node) => L.cssRgb(L.categoryColour(node.colour || 0));
    links.forEach((step, s) => {
      for (const column of [columns[s], columns[s + 1]]) for (const node of column.order) { node.out = 0; node.into = 0; }
      step.sort((a, b) => a.a.y - b.a.y || a.b.y - b.b.y);
      for (const link of step) {
        link.h0 = (link.images / link.a.size) * link.a.h;
        link.y0 = link.a.y + link.a.out;
        link.a.out += link.h0;
      }
      step.sort((a, b) => a.b.y - b.b.y || a.a.y - b.a.y);
      for (const link of step) {
        const into = step.reduce((sum, other) => sum + (other.b === link.b ? other.images : 0), 0);
        link.h1 = (link.images / into) * link.b.h;
        link.y1 = link.b.y + link.b.into;
        link.b.into += link.h1;
      }
      const x0 = x(s) + BAR, x1 = x(s + 1), m = (x0 + x1) / 2;
      for (const link of step) {
        if (link.h0 < 0.25 && link.h1 < 0.25) continue;
        const ribbon = L.svg("path", { class: "ribbon", d:
          "M" + [x0, link.y0] + "C" + [m, link.y0, m, link.y1, x1, link.y1] + "V" + (link.y1 + link.h1) +
          "C" + [m, link.y1 + link.h1, m, link.y0 + link.h0, x0, link.y0 + link.h0] + "Z" },
        L.svg("title", { text: link.a.name + " → " + link.b.name + ": " + L.count(link.images, "image") }));
        ribbon.style.fill = tint(link.a);
        svg.append(ribbon);
      }
    });
    columns.forEach((column, s) => {
      for (const node of column.order) {
        const bar = L.svg("rect", { x: x(s), y: node.y, width: BAR, height: node.h },
          L.svg("title", { text: node.name + ": " + L.count(node.size, "image") }));
        bar.style.fill = tint(node);
        svg.append(bar);
      }
      svg.append(L.svg("text", { class: "tick", x: x(s) + BAR / 2, y: HEIGHT + 18, "text-anchor": "middle",
        text: "epoch " + column.epoch }));
    });
    return svg;
  }

  L.flow = function (run) {
    const flow = (run.clusters && run.clusters.flow || []).filter((step) => step.counts.length);
    if (!flow.length) return null;
    const drawn = L.el("div", { class: "scroll" });
    const show = () => drawn.replaceChildren(draw(flow.slice(-MOST)));
    show();
    L.onTheme(show);
    const first = stayed(flow[0].counts), last = stayed(flow.at(-1).counts);
    return L.el("figure", { class: "flowbox" }, L.el("figcaption", {}, L.el("strong", { text: "How clusters flowed" }),
      L.el("span", { text: "Each column is a clustering, each ribbon the images that went from one cluster to another. " +
        "With the largest part of their cluster stayed " + L.percent(last) + " of the images at the last step" +
        (flow.length > 1 ? ", " + L.percent(first) + " at the first." : ".") })), drawn);
  };
})();
