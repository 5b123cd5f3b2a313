// The exploring window's page: draws the frame and what the kernel sends, and passes keys, clicks and sliders on.

const SIDE = 560; // of the canvas, CSS px
const MOST_ZOOM = 40; // CSS px a frame pixel
const WAIT_MS = 15000; // for an answer of the kernel, which may go through some frames
const ASK_AGAIN_MS = 700; // while it trains
const CALLS_MS = 100; // between questions for calls that are being made; they are no user's, and nobody waits for them
const SIDES = { "^": [3, -90], v: [3, 90], "<": [3, 180], ">": [3, 0], s: [4, 45], D: [4, 0], p: [5, -90], h: [6, 0] };

// a marker about (0, 0), as matplotlib has it
function trace(pen, marker, r) {
  pen.beginPath();
  if (marker === "x" || marker === "X" || marker === "+" || marker === "P") {
    const tilt = marker === "x" || marker === "X" ? Math.PI / 4 : 0;
    for (const turn of [0, Math.PI / 2]) {
      const [dx, dy] = [r * Math.cos(tilt + turn), r * Math.sin(tilt + turn)];
      pen.moveTo(-dx, -dy);
      pen.lineTo(dx, dy);
    }
  } else if (SIDES[marker] || marker === "*") {
    const [n, start] = SIDES[marker] ?? [10, -90];
    for (let k = 0; k < n; k++) {
      const angle = (start / 180 + (2 * k) / n) * Math.PI;
      const reach = 1.2 * r * (marker === "*" && k % 2 ? 0.45 : 1);
      pen.lineTo(reach * Math.cos(angle), reach * Math.sin(angle));
    }
    pen.closePath();
  } else pen.arc(0, 0, marker === "." ? 0.5 * r : r, 0, 2 * Math.PI);
}

function drawMarker(pen, x, y, { marker, colour }, r, isClass) {
  pen.save();
  pen.translate(x, y);
  trace(pen, marker, isClass ? r : 0.6 * r);
  for (const [style, width] of isClass ? [["#fff", 3.8], [colour, 2]] : [["#000c", 3.6], [colour, 1.6]]) {
    pen.strokeStyle = style;
    pen.lineWidth = width;
    pen.stroke();
  }
  pen.restore();
}

function render({ model, el }) {
  const setup = model.get("setup");
  const root = element("div", "mirnb-tool mirnb-explore");
  root.tabIndex = 0;
  root.classList.toggle("many", setup.keys.length > 9); // classes
  const known = new Set([...setup.keys, ...setup.ways, ...setup.moves].map((one) => one.key));

  const { ask: askNow, answered } = questions(model, WAIT_MS, () => {
    message.textContent = "Not answered: the kernel is busy or gone, and the last label may not be saved. Run this cell again.";
    message.classList.add("wrong");
  });
  let next = null; // of the sliders' questions the last one waits its turn, keys do not
  function ask(content, mayWait = false) {
    if (askNow(content) || !mayWait) return;
    next = content.choose && next?.choose ? { choose: { ...next.choose, ...content.choose } } : content;
  }

  // the frame

  const canvas = element("canvas", "frame");
  const scale = window.devicePixelRatio || 1;
  canvas.width = canvas.height = SIDE * scale;
  canvas.style.width = canvas.style.height = `${SIDE}px`;
  const pen = canvas.getContext("2d");
  const still = document.createElement("canvas"); // the frame in its contrast, a pixel a pixel
  [still.width, still.height] = [setup.cols, setup.rows];
  const stillPen = still.getContext("2d");
  const image = stillPen.createImageData(setup.cols, setup.rows);
  const least = SIDE / Math.max(setup.rows, setup.cols);
  const at = { top: 0, left: 0, zoom: least }; // first px shown, CSS px a frame px

  function white() {
    const [low, usual] = model.get("view").greys;
    return low + (usual - low) / 2 ** Number(contrast.input.value);
  }
  function develop() {
    const [low, , high] = model.get("view").greys;
    const data = model.get("picture");
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const shades = Uint8ClampedArray.from({ length: 256 }, (_, k) => (255 * (k / 255) ** 2 * (high - low)) / (white() - low));
    const words = new Uint32Array(image.data.buffer);
    const colours = Uint32Array.from(shades, (one) => (0xff000000 | (one << 16) | (one << 8) | one) >>> 0);
    for (let k = 0; k < bytes.length; k++) words[k] = colours[bytes[k]];
    stillPen.putImageData(image, 0, 0);
  }
  function hold() {
    at.zoom = Math.min(Math.max(at.zoom, least), MOST_ZOOM);
    for (const [edge, size] of [["top", setup.rows], ["left", setup.cols]])
      at[edge] = Math.max(0, Math.min(at[edge], size - SIDE / at.zoom));
  }
  let isDue = false;
  function draw() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      drawNow();
    });
  }
  function drawNow() {
    const view = model.get("view");
    hold();
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, SIDE, SIDE);
    pen.imageSmoothingEnabled = at.zoom < 1;
    pen.drawImage(still, -at.left * at.zoom, -at.top * at.zoom, setup.cols * at.zoom, setup.rows * at.zoom);
    const r = Math.min(6.5 + 1.2 * at.zoom, 18);
    const [marks, n] = [view.marks, view.groups.length];
    for (let k = 0; k < marks.y.length; k++) {
      const [x, y] = [(marks.x[k] - at.left) * at.zoom, (marks.y[k] - at.top) * at.zoom];
      if (x < -20 || y < -20 || x > SIDE + 20 || y > SIDE + 20) continue;
      drawMarker(pen, x, y, view.groups[marks.group[k]], r, view.groups[marks.group[k]].is_mir);
      if (marks.label[k] < 0 || marks.label[k] >= n) continue;
      pen.setLineDash([4, 3]);
      drawMarker(pen, x, y, { marker: "o", colour: view.groups[marks.label[k]].colour }, 2.7 * r, false);
      pen.setLineDash([]);
    }
    if (view.chosen) {
      const [x, y] = [(view.chosen.x - at.left) * at.zoom, (view.chosen.y - at.top) * at.zoom];
      pen.strokeStyle = "#ffd400";
      pen.lineWidth = 2.5;
      pen.strokeRect(x - 2.2 * r, y - 2.2 * r, 4.4 * r, 4.4 * r);
    }
    drawScaleBar();
  }
  function drawScaleBar() {
    const most = (0.25 * SIDE) / at.zoom * setup.um_per_px;
    const um = [100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1].find((one) => one <= most) ?? 0.1;
    const length = (um / setup.um_per_px) * at.zoom;
    pen.fillStyle = "#000a";
    pen.fillRect(10, SIDE - 38, length + 20, 30);
    pen.fillStyle = "#fff";
    pen.fillRect(20, SIDE - 16, length, 3);
    pen.font = "13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.fillText(`${um} µm`, 20 + length / 2, SIDE - 21);
  }
  function zoomByKey(factor) {
    const one = model.get("view").chosen; // which comes to the middle
    if (one) [at.left, at.top] = [one.x - SIDE / 2 / at.zoom, one.y - SIDE / 2 / at.zoom];
    zoomBy(factor, SIDE / 2, SIDE / 2);
  }
  function zoomBy(factor, x, y) {
    const [col, row] = [at.left + x / at.zoom, at.top + y / at.zoom];
    at.zoom *= factor;
    at.zoom = Math.min(Math.max(at.zoom, least), MOST_ZOOM);
    [at.left, at.top] = [col - x / at.zoom, row - y / at.zoom];
    draw();
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    event.stopPropagation();
    zoomBy(2 ** (-event.deltaY / 300), event.offsetX, event.offsetY);
  }, { passive: false });
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    root.focus({ preventScroll: true });
    drag = { x: event.clientX, y: event.clientY, top: at.top, left: at.left, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    drag.moved ||= Math.hypot(dx, dy) > 4;
    if (!drag.moved) return;
    [at.left, at.top] = [drag.left - dx / at.zoom, drag.top - dy / at.zoom];
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) ask({ click: [at.top + event.offsetY / at.zoom, at.left + event.offsetX / at.zoom] });
    drag = null;
  });

  // sliders, boxes and buttons

  function slider(into, title, name, { min, max, step }, words, tell) {
    const made = element("label", "slider");
    const input = element("input");
    Object.assign(input, { type: "range", min, max, step });
    input.dataset.name = name;
    const value = element("output");
    made.append(element("span", "title", title), input, value);
    into.append(made);
    const say = () => (value.textContent = words(Number(input.value)));
    input.addEventListener("input", () => {
      say();
      tell(Number(input.value));
    });
    input.addEventListener("pointerup", () => root.focus({ preventScroll: true }));
    function put(to) {
      if (!next) input.value = to; // else it is being moved
      say();
    }
    return { input, put };
  }
  const choose = (settings) => ask({ choose: settings }, true);

  const bar = element("div", "bar");
  const frame = slider(bar, "Frame", "frame", { min: 1, max: setup.n_frames, step: 1 }, (n) => `${n} of ${setup.n_frames}`,
    (n) => ask({ frame: n - 1 }, true));
  const contrast = slider(bar, "Contrast", "contrast", { min: -3, max: 4, step: 0.25 }, (n) => `${2 ** n >= 1 ? "×" + (2 ** n).toFixed(1) : "÷" + (2 ** -n).toFixed(1)}`, () => {
    develop();
    draw();
  });
  contrast.put(0);
  function button(into, text, press, key) {
    const made = element("button", "other");
    made.type = "button";
    if (key) {
      made.append(element("kbd", "", keyName(key)));
      made.dataset.key = key;
    }
    made.append(element("span", "", text));
    made.addEventListener("click", () => {
      press();
      root.focus({ preventScroll: true });
    });
    into.append(made);
    return made;
  }
  const whole = () => {
    Object.assign(at, { top: 0, left: 0, zoom: least });
    draw();
  };

  const side = element("div", "side");
  const summary = element("div", "summary");
  side.append(summary);
  const groups = element("div", "groups");
  const threshold = slider(side, "Least height", "threshold_sds", { min: setup.has_table ? 0 : setup.least_sds, max: 40, step: 0.5 },
    (n) => (n ? `${n} SD` : "all"), (n) => choose({ threshold_sds: n }));
  const probability = slider(side, "Least probability", "least_probability", { min: 0, max: 1, step: 0.01 },
    (n) => `${Math.round(100 * n)} %`, (n) => choose({ least_probability: n }));
  side.append(groups);
  const bright = slider(side, "Least brightness", "least_flux", { min: 0, max: 4.5, step: 0.05 },
    (n) => (n ? `${Math.round(10 ** n).toLocaleString("en")} counts` : "all"), (n) => choose({ least_flux: n ? 10 ** n : 0 }));
  const width = slider(side, "Greatest width", "widest_px", { min: 0.5, max: 4, step: 0.05 }, (n) => (n < 4 ? `${n} px` : "all"),
    (n) => choose({ widest_px: n < 4 ? n : null }));
  const line = element("div", "line");
  const crowding = element("select");
  crowding.dataset.name = "crowding";
  for (const value of setup.crowding) crowding.append(new Option(value, value));
  crowding.addEventListener("change", () => {
    choose({ crowding: crowding.value });
    root.focus({ preventScroll: true });
  });
  const crowdingLabel = element("label", "", "Crowding ");
  crowdingLabel.append(crowding);
  line.append(crowdingLabel);
  const others = element("input");
  others.type = "checkbox";
  others.dataset.name = "shows_others";
  others.addEventListener("change", () => choose({ shows_others: others.checked }));
  const othersLabel = element("label");
  const othersWords = element("span");
  othersLabel.append(others, othersWords);
  if (setup.has_table) line.append(othersLabel);
  side.append(line);

  const saving = element("div", "line");
  const suffix = element("select");
  suffix.dataset.name = "suffix";
  for (const one of ["png", "svg", "pdf"]) suffix.append(new Option(one.toUpperCase(), `.${one}`));
  const region = () => ({ corner: [Math.round(at.top), Math.round(at.left)], side_px: Math.round(SIDE / at.zoom) });
  const saveFrame = button(saving, "Save view", () => ask({ save: { what: "frame", suffix: suffix.value, ...region(), grey: [model.get("view").greys[0], white()] } }));
  saveFrame.dataset.name = "save";
  const saveBlob = button(saving, "Save blob", () => ask({ save: { what: "blob", suffix: suffix.value } }));
  saving.prepend(suffix);
  const train = button(saving, "Train again", () => ask({ train: "begin" }));
  train.dataset.name = "train";
  side.append(saving);

  // the legend: a row a group, made anew when there are other groups
  const rows = {};
  let made = "";
  function makeGroups(view) {
    const names = JSON.stringify(view.groups);
    if (names === made) return;
    made = names;
    groups.replaceChildren();
    for (const group of view.groups) {
      const row = element("div", "group");
      const label = element("label");
      const box = element("input");
      box.type = "checkbox";
      box.dataset.group = group.name;
      box.addEventListener("change", () => {
        const hidden = new Set(model.get("view").hidden);
        if (box.checked) hidden.delete(group.name);
        else hidden.add(group.name);
        choose({ hidden: [...hidden] });
      });
      const sign = element("canvas", "sign");
      [sign.width, sign.height] = [24 * scale, 24 * scale];
      const signPen = sign.getContext("2d");
      signPen.scale(scale, scale);
      drawMarker(signPen, 12, 12, group, 7.5, group.is_mir);
      const count = element("span", "count");
      label.append(box, sign, element("span", "", group.name), count);
      const on = element("button", "next", "›");
      on.type = "button";
      on.title = `next ${group.name}`;
      on.addEventListener("click", () => {
        ask({ next: group.name });
        root.focus({ preventScroll: true });
      });
      row.append(label, on);
      groups.append(row);
      rows[group.name] = { box, count };
    }
  }

  // what a click shows
  const blob = element("div", "blob");
  function showBlob(view) {
    const one = view.chosen;
    blob.replaceChildren();
    blob.classList.toggle("empty", !one);
    if (!one) {
      blob.append(element("div", "hint", "Click a blob to see its crop, response, probabilities, fit and row of the table."));
      return;
    }
    if (one.pictures) {
      const raw = figure("crop");
      raw.picture.src = one.pictures.raw;
      for (const [down, right] of one.pictures.fitted) {
        const cross = element("div", "cross");
        Object.assign(cross.style, { top: `${100 * down}%`, left: `${100 * right}%` });
        raw.frame.append(cross);
      }
      const response = figure("response");
      response.picture.src = one.pictures.response;
      blob.append(raw.made, response.made);
      one.pictures.channels.forEach((picture, k) => {
        const channel = figure(view.groups[k].name);
        channel.picture.src = picture;
        blob.append(channel.made);
      });
    } else blob.append(element("div", "hint", "Too near the border for a crop."));
    const numbers = element("div", "numbers");
    numbers.append(element("div", "name", `${one.id === null ? "not in the table" : "blob " + one.id}, frame ${one.frame}, pixel ${one.row}, ${one.col}`));
    numbers.append(element("div", "", [one.call && `called ${one.call}`, one.label && `labelled ${one.label}`].filter(Boolean).join("   ·   ") || "no label"));
    for (const [name, share] of Object.entries(one.probabilities ?? {})) {
      const group = view.groups.find((each) => each.name === name);
      const row = element("div", "share");
      const beam = element("div", "beam");
      beam.style.setProperty("--share", `${100 * share}%`);
      beam.style.setProperty("--colour", group.colour);
      row.append(element("span", "", name), beam, element("span", "value", share.toFixed(3)));
      numbers.append(row);
    }
    const fit = one.fit;
    const fitted = fit.y_px === null ? { place: "none fits" }
      : { "y, x": `${fit.y_px}, ${fit.x_px} px`, width: `${fit.sigma_px} px`, brightness: `${fit.flux} counts` };
    const measured = { ...fitted, height: `${fit.sds} SD` };
    function list(title, values) {
      const part = element("table");
      part.append(element("caption", "", title));
      for (const [name, value] of Object.entries(values)) {
        const row = element("tr");
        row.append(element("th", "", name), element("td", "", value));
        part.append(row);
      }
      return part;
    }
    numbers.append(list("fit", measured));
    blob.append(numbers);
    if (Object.keys(one.table).length) blob.append(list("row of the table", one.table));
  }

  const ways = element("div", "others");
  for (const one of [...setup.moves, ...setup.ways]) button(ways, one.name, () => ask({ key: one.key }), one.key);
  button(ways, "zoom in", () => zoomByKey(1.5), "+");
  button(ways, "out", () => zoomByKey(1 / 1.5), "-");
  button(ways, "whole frame", whole, "f");
  const labels = element("div", "others");
  labels.append(element("span", "title", `Label the chosen blob, as ${setup.annotator}:`));
  for (const one of setup.keys) button(labels, one.name, () => ask({ key: one.key }), one.key);
  const message = element("div", "message");
  message.setAttribute("role", "status");
  const left = element("div", "left");
  left.append(bar, canvas);
  const both = element("div", "both");
  side.append(ways, labels, message);
  both.append(left, side);
  root.append(both, blob);
  el.append(root);

  listen(root, (key) => {
    if (key === "+" || key === "=") zoomByKey(1.5);
    else if (key === "-") zoomByKey(1 / 1.5);
    else if (key === "f") whole();
    else if (known.has(key)) ask({ key });
  });

  function follow(view, before) {
    const one = view.chosen;
    if (!one || (before && before.chosen && before.chosen.y === one.y && before.chosen.x === one.x && before.frame === view.frame)) return;
    const reach = SIDE / at.zoom;
    if (one.y < at.top || one.y > at.top + reach) at.top = one.y - reach / 2;
    if (one.x < at.left || one.x > at.left + reach) at.left = one.x - reach / 2;
  }
  let before = null;
  let picture = null;
  let again = null; // while it trains
  let calling = null; // while calls are made
  function show() {
    const view = model.get("view");
    if (view.is_answer) answered();
    if (model.get("picture") !== picture) {
      picture = model.get("picture");
      develop();
    }
    makeGroups(view);
    frame.put(view.frame + 1);
    threshold.put(view.threshold_sds);
    probability.put(view.least_probability);
    bright.put(view.least_flux ? Math.log10(view.least_flux) : 0);
    width.put(view.widest_px ?? 4);
    probability.input.disabled = !view.has_classifier;
    crowding.value = view.crowding;
    others.checked = view.shows_others;
    othersWords.textContent = ` found, not in the table (${view.n_found})`;
    for (const [name, { box, count }] of Object.entries(rows)) {
      count.textContent = view.counts[name] ?? "…";
      box.checked = !view.hidden.includes(name);
    }
    const words = setup.has_table ? [`${view.n_blobs} in the table`] : [];
    if (view.shows_others) words.push(`${view.n_found} ${setup.has_table ? "besides" : "found"}`);
    summary.textContent = `${view.n_shown} shown of ${words.join(" and ")}${view.is_calling ? ", being called …" : ""}`;
    root.classList.toggle("calling", view.is_calling);
    train.disabled = view.is_training;
    saveBlob.disabled = !view.chosen?.pictures;
    message.textContent = view.message;
    message.classList.toggle("wrong", view.message.startsWith("Not "));
    if (JSON.stringify(view.chosen) !== JSON.stringify(before?.chosen) || !before) showBlob(view);
    follow(view, before);
    before = view;
    draw();
    root.dataset.number = view.number;
    clearTimeout(again);
    if (view.is_training) again = setTimeout(() => ask({ train: "look" }, true), ASK_AGAIN_MS);
    clearInterval(calling);
    if (view.is_calling) {
      const look = () => model.send({ calls: "look" });
      requestAnimationFrame(look); // the frame first
      calling = setInterval(look, CALLS_MS);
    }
    if (next && view.is_answer) {
      const content = next;
      next = null;
      ask(content);
    }
  }
  model.on("change:view", show);
  show();
  return () => {
    clearTimeout(again);
    clearInterval(calling);
    model.off("change:view", show);
  };
}

export default { render };
