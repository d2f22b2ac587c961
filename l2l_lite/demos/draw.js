// What the demos share beside their arithmetic: words, elements, and a handle for mouse, finger and keys.

const draw = (() => {
  // Words and elements

  const names = { GD: "Gradient descent", learned: "Learned LSTM" };
  const within = (x, low, high) => Math.max(low, Math.min(high, x));

  const superscript = n => String(n).replace(/./g, d => d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);
  const signed = x => x.toFixed(Math.abs(x * x - 1) < 0.02 ? 3 : 2).replace("-", "−"); // 0.995 is not 1
  function show(x) {
    if (!(x < 1e5)) return "lost";
    if (x < 1e-15) return "0";
    if (x >= 1e-3) return String(+x.toPrecision(2));
    const [digit, power] = x.toExponential(0).split("e");
    return `${digit}·10${superscript(power)}`;
  }

  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const el = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  const number = () => el("span", { class: "value" }); // an <output> would be announced at every frame

  const write = point => point.map(x => x.toFixed(1)).join(" ");
  const line = points => `M${points.map(write).join("L")}`;
  const dots = points => points.map(point => `M${write(point)}h0`).join("");

  // A button that is dragged; letting go ends it.
  function drag(handle, move, end) {
    handle.onclick = event => event.stopPropagation(); // the drag has said it already
    handle.onpointerdown = event => handle.setPointerCapture(event.pointerId);
    handle.onpointermove = event => handle.hasPointerCapture(event.pointerId) && move(event);
    handle.onpointerup = end;
  }

  // The same by arrow keys; with shift, a fifth of the length.
  function arrows(handle, move, end) {
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    handle.onkeydown = event => {
      if (!keys[event.key]) return;
      event.preventDefault(); // or the page would scroll
      move(...keys[event.key].map(x => event.shiftKey ? x / 5 : x));
    };
    handle.onkeyup = event => keys[event.key] && end();
  }

  return { names, superscript, signed, show, within, fill, el, number, svg, line, dots, drag, arrows };
})();
