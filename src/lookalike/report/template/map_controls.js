/* Pointer, wheel and keys on a map. */
(function () {
  "use strict";
  const L = window.LK;
  const STEP = 40; // pixels an arrow key moves

  L.mapControls = function (view) {
    const canvas = view.canvas, pointers = new Map();
    let moved = 0, pinch = 0;

    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const spread = () => {
      const [a, b] = Array.from(pointers.values());
      return Math.hypot(a[0] - b[0], a[1] - b[1]);
    };

    function hover(event) {
      const [x, y] = at(event), i = view.hit(x, y);
      L.set("hover", i);
      canvas.style.cursor = i >= 0 ? "pointer" : view.look.lasso ? "crosshair" : "grab";
      const place = i >= 0 ? view.client(i) : null;
      if (place) L.tip(i, place[0], place[1] - view.radius());
      else L.tip(-1);
    }

    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, at(event));
      moved = 0;
      if (pointers.size === 2) { pinch = spread(); view.path = null; }
      else if (view.look.lasso || event.shiftKey) view.path = [at(event)];
    });

    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return hover(event);
      const now = at(event);
      moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
      pointers.set(event.pointerId, now);
      L.tip(-1);
      if (pointers.size === 2) {
        const wide = spread(), [a, b] = Array.from(pointers.values());
        view.zoomBy(wide / (pinch || wide), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
        pinch = wide;
      } else if (view.path) {
        view.path.push(now);
        view.ask();
      } else if (moved > L.CLICK) {
        canvas.style.cursor = "grabbing";
        view.pan(now[0] - before[0], now[1] - before[1]);
      }
      return undefined;
    });

    function released(event) {
      if (!pointers.delete(event.pointerId)) return;
      const line = view.path, clicked = moved <= L.CLICK && event.type === "pointerup";
      view.path = null;
      if (clicked) {
        const i = view.hit(...at(event));
        if (i >= 0) L.set("query", i);
        else if (L.state.selection.length) L.select([]);
      } else if (line && line.length > 2 && event.type === "pointerup") {
        view.choose(line);
      }
      view.ask();
    }
    canvas.addEventListener("pointerup", released);
    canvas.addEventListener("pointercancel", released);
    canvas.addEventListener("pointerleave", () => {
      L.set("hover", -1);
      L.tip(-1);
      if (!canvas.matches(":focus-visible")) canvas.blur(); // the wheel scrolls the page again
    });
    canvas.addEventListener("dblclick", (event) => view.zoomBy(event.shiftKey ? 0.5 : 2, ...at(event)));

    /* The wheel scrolls the page, as everywhere, until the map was clicked into or Ctrl is held. */
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 18 : 1;
      view.zoomBy(Math.exp(-event.deltaY * lines * 0.0022), ...at(event));
    }, { passive: false });

    canvas.addEventListener("focus", () => view.ask());
    canvas.addEventListener("blur", () => view.ask());
    canvas.addEventListener("keydown", (event) => {
      const middle = [view.width / view.ratio / 2, view.height / view.ratio / 2];
      const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
      if (moves[event.key]) view.pan(...moves[event.key]);
      else if (event.key === "+" || event.key === "=") view.zoomBy(1.3, ...middle);
      else if (event.key === "-") view.zoomBy(1 / 1.3, ...middle);
      else if (event.key === "0") view.reset();
      else if (event.key === "Enter") {
        const i = view.hit(...middle, middle[0] + middle[1]);
        if (i >= 0) L.set("query", i);
      }
      else return;
      event.preventDefault();
    });
  };
})();
