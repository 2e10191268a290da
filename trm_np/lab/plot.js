// Radio buttons for these values in the fieldset of this id.
function radios(name, values, start, label = String) {
  for (const value of values) {
    const input = html("input", "", { type: "radio", name, value, autocomplete: "off" }), whole = html("label");
    input.checked = value === start;
    whole.append(input, ` ${label(value)}`);
    byId(name).append(whole);
  }
}

const chosen = (name) => document.querySelector(`#${name} input:checked`).value;

// Draw in the element of this id, within axes { low, high, ticks: [[value, text], ...], label, map }. A `map` such as
// Math.log10 makes a scale uneven. What lies beyond the ends is drawn on the edge. `inside` gets the places of values.
function plot(id, title, across, up, inside, height = 260) {
  const width = Math.max(byId(id).clientWidth, 240);
  const area = { left: up.room ?? 44, right: width - 10, top: 26, bottom: height - 32 };
  const place = ({ low, high, map = (value) => value }, from, to) => (value) => {
    const part = (map(value) - map(low)) / (map(high) - map(low));
    return Number((from + (to - from) * Math.min(Math.max(part, 0), 1)).toFixed(1));
  };
  const { left, right, top, bottom } = area, x = place(across, left, right), y = place(up, bottom, top);
  const text = (content, x, y, anchor) => svg("text", { x, y, "text-anchor": anchor }, content);
  byId(id).replaceChildren(svg("svg",
    { role: "img", width, height, viewBox: `0 0 ${width} ${height}`, "aria-labelledby": `${id}-title` },
    svg("title", { id: `${id}-title` }, title),
    ...up.ticks.map(([value]) => svg("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) })),
    ...up.ticks.map(([value, shown]) => text(shown, left - 8, y(value) + 4, "end")),
    text(up.label, 0, 11, "start"),
    svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
    ...across.ticks.map(([value, shown]) => text(shown, x(value), bottom + 16, "middle")),
    text(across.label, right, height - 2, "end"),
    ...inside({ ...area, x, y, upright: (value) => svg("line", { class: "upright", x1: x(value), x2: x(value), y1: top - 6, y2: bottom }) })));
}

// Ticks from low to high; `shown` writes them.
function ticks(low, high, step, shown = String) {
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)))
    .map((value) => [value, shown(value)]);
}

function row(head, ...cells) {
  const line = html("tr");
  line.append(html("th", head, { scope: "row" }), ...cells.map((content) => html("td", content)));
  return line;
}

// Show again at each move of the controls, and when the window changes.
function follow(show) {
  for (const input of document.querySelectorAll("input")) input.addEventListener("input", show);
  addEventListener("resize", show);
  show();
}
