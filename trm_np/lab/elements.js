const data = JSON.parse(document.getElementById("results").textContent);
const byId = (id) => document.getElementById(id);

function svg(kind, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function html(kind, text = "", attributes = {}) {
  const element = document.createElement(kind);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// A sample of a line, and what such lines show.
function keyEntry(kind, label) {
  const entry = html("span");
  entry.append(svg("svg", { width: 26, height: 10 }, svg("path", { class: `line ${kind}`, d: "M0,5H26" })), label);
  return entry;
}
