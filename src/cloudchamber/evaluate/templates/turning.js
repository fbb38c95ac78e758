"use strict";
(() => {
  const events = JSON.parse(document.getElementById("event-data").textContent);
  const names = ["e", "pi", "k", "g", "n", "o"];
  const canvases = ["candidate", "reference"].map((side) => document.getElementById(side + "-3d"));
  const button = document.getElementById("turn");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const view = { event: 0, azimuth: 0.6, tilt: 0.35, size: 1, turning: false };
  let before = 0;

  const colors = () => {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue("--" + name).trim();
    return { groups: names.map(read), ink: read("ink"), soft: read("soft"), line: read("line") };
  };

  // z is the hadron beam; the camera turns around the vertical axis y and tilts.
  const project = ([x, y, z], width, height) => {
    const a = Math.cos(view.azimuth), b = Math.sin(view.azimuth), c = Math.cos(view.tilt), d = Math.sin(view.tilt);
    const right = a * z + b * x, depth = a * x - b * z;
    const up = c * y - d * depth, far = c * depth + d * y;
    const scale = (view.size * Math.min(width, height * 1.4) * 0.43) / (1 - 0.22 * far);
    return [width / 2 + right * scale, height / 2 - up * scale];
  };

  const line = (pen, points, color, width) => {
    pen.strokeStyle = color;
    pen.lineWidth = width;
    pen.beginPath();
    points.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.stroke();
  };

  const ring = (at, radius) =>
    Array.from({ length: 49 }, (_, k) => [radius * Math.cos(k * Math.PI / 24), radius * Math.sin(k * Math.PI / 24), at]);

  const end = ([, eta, phi, p]) => {
    const length = Math.log1p(p / 0.2) / Math.log1p(300 / 0.2), across = length / Math.cosh(eta);
    return [across * Math.cos(phi), across * Math.sin(phi), length * Math.tanh(eta)];
  };

  const draw = (canvas, shown, name) => {
    const density = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    const width = box.width, height = box.height, paint = colors(), pen = canvas.getContext("2d");
    if (canvas.width !== Math.round(width * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, width, height);
    const at = (point) => project(point, width, height);
    for (const z of [-0.5, 0, 0.5]) line(pen, ring(z, 0.45).map(at), paint.line, 1);
    for (let k = 0; k < 8; k++) {
      const x = 0.45 * Math.cos(k * Math.PI / 4), y = 0.45 * Math.sin(k * Math.PI / 4);
      line(pen, [at([x, y, -0.5]), at([x, y, 0.5])], paint.line, 1);
    }
    line(pen, [at([0, 0, -1.02]), at([0, 0, 1.02])], paint.soft, 1);
    pen.fillStyle = paint.soft;
    pen.font = "13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.fillText("p →", ...at([0, 0.06, 1.05]));
    pen.fillText("← e", ...at([0, 0.06, -1.05]));
    for (const track of shown.tracks) {
      const tip = at(end(track)), color = paint.groups[track[0]];
      pen.setLineDash(track[0] === 3 ? [3, 3] : []);
      line(pen, [at([0, 0, 0]), tip], color, track[0] === 0 ? 3.5 : 2);
      pen.setLineDash([]);
      pen.fillStyle = color;
      pen.beginPath();
      pen.arc(...tip, track[0] === 0 ? 4.5 : 2.6, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.fillStyle = paint.ink;
    pen.textAlign = "left";
    pen.fillText(`${name}: ${shown.tracks.length} particles, Q² = ${shown.Q2} GeV², x = ${shown.x}`, 10, 20);
  };

  const drawBoth = () => {
    const shown = events[view.event];
    draw(canvases[0], shown.candidate, "candidate");
    draw(canvases[1], shown.reference, "reference");
  };

  const frame = (now) => {
    if (!view.turning) return;
    view.azimuth += Math.min(now - before, 100) * 0.0004;
    before = now;
    drawBoth();
    requestAnimationFrame(frame);
  };

  const turn = (on) => {
    view.turning = on;
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Stop turning" : "Turn";
    before = performance.now();
    if (on) requestAnimationFrame(frame);
  };

  const go = (step) => {
    view.event = (view.event + step + events.length) % events.length;
    document.getElementById("which").textContent = `event ${view.event + 1} of ${events.length}`;
    drawBoth();
  };

  const keys = {
    ArrowLeft: () => { view.azimuth -= 0.12; }, ArrowRight: () => { view.azimuth += 0.12; },
    ArrowUp: () => { view.tilt += 0.1; }, ArrowDown: () => { view.tilt -= 0.1; },
    "+": () => { view.size *= 1.1; }, "=": () => { view.size *= 1.1; }, "-": () => { view.size /= 1.1; },
  };

  for (const canvas of canvases) {
    canvas.addEventListener("keydown", (key) => {
      if (!keys[key.key]) return;
      key.preventDefault();
      turn(false);
      keys[key.key]();
      drawBoth();
    });
    canvas.addEventListener("pointerdown", (down) => { canvas.setPointerCapture(down.pointerId); turn(false); });
    canvas.addEventListener("pointermove", (move) => {
      if (!move.buttons) return;
      view.azimuth += move.movementX * 0.01;
      view.tilt += move.movementY * 0.01;
      drawBoth();
    });
  }
  document.getElementById("previous").addEventListener("click", () => go(-1));
  document.getElementById("next").addEventListener("click", () => go(1));
  button.addEventListener("click", () => turn(!view.turning));
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    window.matchMedia(query).addEventListener("change", drawBoth);
  }
  for (const happening of ["resize", "beforeprint", "afterprint"]) window.addEventListener(happening, drawBoth);
  document.getElementById("turning").hidden = false;
  go(0);
  turn(!still.matches);
})();
