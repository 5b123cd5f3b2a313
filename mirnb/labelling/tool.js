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

// Keys go to the tool that has the focus and never to the notebook, where x cuts a cell.
function listen(root, press) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.key === "Tab" || event.key === "Escape") return;
    event.stopPropagation();
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    const key = event.key.toLowerCase();
    if (event.target.tagName === "BUTTON" && (key === "enter" || key === " ")) return;
    event.preventDefault();
    if (!event.repeat) press(key);
  });
}

