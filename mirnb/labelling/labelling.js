// The labelling tool's page: draws what the kernel sends and passes keys and clicks on. No label is decided here.

const WAIT_MS = 4000; // for an answer of the kernel

function render({ model, el }) {
  const setup = model.get("setup");
  const root = element("div", "mirnb-tool mirnb-labelling");
  root.tabIndex = 0;
  const keys = new Set([...setup.classes, ...setup.others].map((one) => one.key));

  const { ask, answered } = questions(model, WAIT_MS, () => {
    message.textContent = "The kernel does not answer: the last label may not be saved. Run this cell again.";
    message.classList.add("wrong");
  });

  const head = element("div", "head");
  const place = element("span", "place");
  const label = element("span", "label");
  const suggestion = element("span", "suggestion");
  head.append(place, label, suggestion);

  const pictures = element("div", "pictures");
  const raw = figure("crop");
  const response = figure("response");
  const context = figure("surroundings");
  context.made.classList.add("wide");
  const box = element("div", "box");
  context.frame.append(box);
  const channels = setup.classes.slice(0, -1).map((one) => {
    const made = figure(`${one.symbol} ${one.name}`);
    made.made.classList.add("channel");
    return made;
  });
  pictures.append(raw.made, response.made, ...channels.map((one) => one.made), context.made);

  const buttons = element("div", "buttons");
  const counts = {};
  for (const one of setup.classes) {
    const button = element("button", "class");
    button.type = "button";
    button.dataset.key = one.key;
    button.style.setProperty("--colour", one.colour);
    const words = element("span", "words");
    counts[one.name] = element("span", "count");
    words.append(element("kbd", "", one.key), element("span", "symbol", one.symbol), element("span", "", one.name), counts[one.name]);
    button.append(words);
    if (one.template) {
      const picture = element("img");
      picture.src = one.template;
      picture.alt = `template of ${one.name}`;
      button.append(picture);
    }
    button.addEventListener("click", () => ask({ key: one.key }));
    buttons.append(button);
  }
  const others = element("div", "others");
  for (const one of setup.others) {
    const button = element("button", "other");
    button.type = "button";
    button.dataset.key = one.key;
    button.append(element("kbd", "", keyName(one.key)), element("span", "", one.name));
    button.addEventListener("click", () => ask({ key: one.key }));
    others.append(button);
  }

  const controls = element("div", "controls");
  function choice(title, name, values) {
    const made = element("label", "", `${title} `);
    const select = element("select");
    select.dataset.name = name;
    for (const value of values) select.append(new Option(value, value));
    select.addEventListener("change", () => {
      ask({ [name]: select.value });
      root.focus();
    });
    made.append(select);
    controls.append(made);
    return select;
  }
  const filter = choice("Show", "filter", setup.filters);
  const order = choice("in order", "order", setup.orders);
  const jumpLabel = element("label", "", "Go to ");
  const jump = element("input");
  jump.type = "number";
  jump.min = 1;
  jump.dataset.name = "jump";
  jump.addEventListener("change", () => {
    if (jump.value) ask({ jump: Number(jump.value) });
    jump.value = "";
    root.focus();
  });
  jumpLabel.append(jump);
  const contrastLabel = element("label", "", "Contrast ");
  const contrast = element("input");
  contrast.type = "range";
  contrast.min = -2;
  contrast.max = 4;
  contrast.step = 0.5;
  contrast.dataset.name = "contrast";
  contrast.addEventListener("change", () => {
    ask({ contrast: 2 ** Number(contrast.value) });
    root.focus();
  });
  contrastLabel.append(contrast);
  controls.append(jumpLabel, contrastLabel);
  const suggestLabel = element("label", "", "Suggest ");
  const suggest = element("input");
  suggest.type = "checkbox";
  suggest.dataset.name = "suggest";
  suggest.addEventListener("change", () => {
    ask({ show_suggestion: suggest.checked });
    root.focus();
  });
  suggestLabel.append(suggest);
  if (setup.has_classifier) controls.append(suggestLabel);

  const progress = element("progress");
  const tally = element("div", "tally");
  const message = element("div", "message");
  message.setAttribute("role", "status");
  const foot = element("div", "foot", `Labels of ${setup.annotator}. Templates: ${setup.templates}. Click here, then use the keys.`);
  root.append(head, pictures, buttons, others, controls, progress, tally, message, foot);
  el.append(root);

  listen(root, (key) => {
    if (keys.has(key)) ask({ key });
  });

  function show() {
    const view = model.get("view");
    answered();
    const known = setup.classes.find((one) => one.name === view.label);
    place.textContent = view.blob === null ? "no blob" : `${view.position} of ${view.total}   ·   blob ${view.blob}, frame ${view.frame}`;
    label.textContent = view.label ? `${known ? known.symbol + " " : ""}${view.label}` : "";
    label.style.setProperty("--colour", known ? known.colour : "");
    suggestion.textContent = view.suggestion ? `classifier: ${view.suggestion[0]}, ${Math.round(100 * view.suggestion[1])} %` : "";
    const done = Object.entries(view.counts).reduce((sum, [name, n]) => sum + (name === "left" ? 0 : n), 0);
    progress.max = done + view.counts.left || 1;
    progress.value = done;
    for (const [name, shown] of Object.entries(counts)) shown.textContent = view.counts[name];
    tally.textContent = `${done} done, ${view.counts.left} left   ·   erased ${view.counts.erased}, not sure ${view.counts["not sure"]}`;
    message.textContent = view.message;
    message.classList.toggle("wrong", view.message.startsWith("Not saved") || (view.blob !== null && !view.pictures));
    for (const button of buttons.children) button.classList.toggle("chosen", known !== undefined && button.dataset.key === known.key);
    filter.value = view.filter;
    order.value = view.order;
    contrast.value = Math.log2(view.contrast);
    suggest.checked = view.show_suggestion;
    pictures.classList.toggle("empty", !view.pictures);
    if (view.pictures) {
      raw.picture.src = view.pictures.raw;
      response.picture.src = view.pictures.response;
      context.picture.src = view.pictures.context;
      channels.forEach((one, k) => (one.picture.src = view.pictures.channels[k]));
      const [top, left, height, width] = view.pictures.box.map((share) => `${100 * share}%`);
      Object.assign(box.style, { top, left, height, width });
      root.style.setProperty("--mark", `${100 * view.pictures.mark}%`);
    }
    root.dataset.blob = view.blob ?? "";
    root.dataset.number = view.number;
  }
  model.on("change:view", show);
  show();
  return () => model.off("change:view", show);
}

export default { render };
