// What the pages of the tools share; it stands before each of them.

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function figure(title) {
  const made = element("figure");
  const frame = element("div", "frame");
  const picture = element("img");
  picture.alt = title;
  frame.append(picture, element("div", "tick"));
  made.append(frame, element("figcaption", "", title));
  return { made, frame, picture };
}

function keyName(key) {
  return { arrowleft: "←", arrowright: "→" }[key] ?? key;
}

// One question at a time: a key pressed before the next picture shows is not meant for that picture.
function questions(model, waitMs, silent) {
  let waiting = null;
  return {
    ask(content) {
      if (waiting) return false;
      waiting = setTimeout(() => {
        waiting = null;
        silent();
      }, waitMs);
      model.send(content);
      return true;
    },
    answered() {
      clearTimeout(waiting);
      waiting = null;
    },
  };
}

// Keys go to the tool that has the focus and never to the notebook, where x cuts a cell.
function listen(root, press) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.key === "Tab" || event.key === "Escape") return;
    event.stopPropagation();
    const [key, { tagName, type }] = [event.key.toLowerCase(), event.target];
    if (tagName === "SELECT" || (tagName === "INPUT" && type === "number")) return;
    if (tagName === "INPUT" && /^(arrow|page|home|end| )/.test(key)) return; // of sliders and boxes
    if (tagName === "BUTTON" && (key === "enter" || key === " ")) return;
    event.preventDefault();
    if (!event.repeat) press(key);
  });
}

