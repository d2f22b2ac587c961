// What a learned rule sees of a gradient, and what it does: the gradient is dragged, its history set.

l2lDemos.response ??= (({ core, draw }) => {
  const { names, superscript, signed, show, within, fill, el, number, svg, line, drag, arrows } = draw;
  const CHART = { width: 300, height: 230, left: 38, right: 8, top: 10, bottom: 36 };
  const ACROSS = CHART.width - CHART.left - CHART.right, DOWN = CHART.height - CHART.top - CHART.bottom;

  // Gradients from -10 to 10 on a line from -1 to 1: nearly straight below 10⁻⁶, logarithmic beyond.
  const TINY = 1e-6, WIDE = Math.asinh(10 / TINY);
  const toLine = g => Math.asinh(g / TINY) / WIDE, toGradient = x => TINY * Math.sinh(x * WIDE);
  const GRADS = Array.from({ length: 161 }, (_, k) => toGradient(k / 80 - 1));

  // The next step for each of some gradients, after `steps` equal ones.
  function response(rule, history, steps, grads) {
    let state = rule.init();
    for (let t = 0; t < steps; t++) state = rule.step([history, history], state)[1];
    return grads.map(g => rule.step([g, g], state)[0][0]);
  }

  // A chart over the gradient, with values from -top to top; `label` says what they are.
  function chart(label) {
    const frame = svg("g", { class: "axes" }), lines = svg("g"), cursor = svg("path", { class: "cursor" });
    const picture = svg("svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, "aria-hidden": "true" },
      frame, cursor, lines);
    const node = el("div", { class: "plot" }, picture);
    let top = 1;
    const place = (g, value) =>
      [CHART.left + ACROSS * (toLine(g) + 1) / 2, CHART.top + DOWN * (1 - value / top) / 2];
    const scale = limit => {
      top = limit;
      frame.replaceChildren(...grid(label, top, place));
    };
    const point = event => {
      const box = node.getBoundingClientRect(), x = CHART.width * (event.clientX - box.left) / box.width;
      return toGradient(within(2 * (x - CHART.left) / ACROSS - 1, -1, 1));
    };
    const mark = g => cursor.setAttribute("d", `M${place(g, 0)[0]} ${CHART.top}v${DOWN}`);
    return { node, lines, place, scale, point, mark };
  }

  function grid(label, top, place) {
    const { width, height, left } = CHART, marks = [];
    for (const value of [-top, -top / 2, 0, top / 2, top]) {
      const y = place(0, value)[1];
      marks.push(svg("path", { d: `M${left} ${y}h${ACROSS}` }),
        svg("text", { x: left - 5, y: y + 4, "text-anchor": "end" },
          String(+value.toFixed(3)).replace("-", "−")));
    }
    for (const power of [1, -2, -5]) for (const sign of [-1, 1]) {
      const name = power === 1 ? "10" : `10${superscript(power)}`;
      marks.push(svg("text", { x: place(sign * 10 ** power, 0)[0] - (power === 1) * sign * 6, y: height - 20,
        "text-anchor": "middle" }, sign < 0 ? `−${name}` : name));
    }
    const middle = left + ACROSS / 2;
    return [...marks, svg("text", { x: middle, y: height - 4, "text-anchor": "middle" }, "gradient ∇"),
      svg("text", { x: width - 12, y: CHART.top + 12, "text-anchor": "end" }, label)];
  }

  // A curve over all gradients, a dot at the one that the reader holds, and its value in words.
  function curve(name, label, colour) {
    const casing = svg("path", { class: "casing" }), body = svg("path"), tip = svg("circle", { r: 4.5 });
    const node = svg("g", { class: `trace ${name}`, style: `--colour:${colour}` }, casing, body, tip);
    const value = number();
    const key = el("span", { class: "name", style: `--colour:${colour}` }, `${label}: `, value);
    const show = (place, values, g, now) => {
      const points = values.map((y, k) => place(GRADS[k], y));
      for (const path of [casing, body]) path.setAttribute("d", line(points));
      const [x, y] = place(g, now);
      fill(tip, { cx: x, cy: y }, []);
      value.textContent = Math.abs(now) < 0.1 ? now.toFixed(3).replace("-", "−") : signed(now);
    };
    return { node, key, show };
  }

  function build(root) {
    const { learned, untrained, lr, colours } = JSON.parse(root.dataset.settings);
    const rules = { learned: core.lstm(learned), Adam: core.rules.Adam(lr), untrained: core.lstm(untrained) };
    const see = core.features[learned.preprocess];
    let grad = -0.03, steps = 0, size = 1;

    const seen = chart("feature"), done = chart("step");
    const features = [curve("size", "size", colours.size), curve("sign", "sign", colours.sign)];
    const labels = { ...names, untrained: "Untrained LSTM", Adam: `Adam (rate ${lr})` };
    const answers = Object.fromEntries(Object.keys(rules).map(name =>
      [name, curve(name, labels[name], colours[name])]));
    const handle = el("button", { type: "button", class: "start" });
    const news = el("p", { class: "quiet", "aria-live": "polite" });
    const hint = el("span", { class: "hint", "aria-hidden": "true" }, "Drag me");
    done.node.append(handle, hint);

    const slider = (label, attributes) => {
      const input = el("input", { type: "range", ...attributes }), value = number();
      return { node: el("label", { class: "dial" }, el("span", {}, label), input, value), input, value };
    };
    const many = slider("Gradients before", { min: 0, max: 40, value: steps });
    const past = slider("each of them", { min: -6, max: 1, step: 0.25, value: 0 });

    seen.lines.append(...features.map(each => each.node));
    done.lines.append(...Object.values(answers).map(each => each.node).reverse()); // the learned one on top
    root.querySelector(".stage").replaceChildren(
      el("div", { class: "top" }, many.node, past.node),
      el("div", { class: "panels" },
        el("div", {}, el("p", {}, el("b", {}, "What the rule sees")), seen.node,
          el("div", { class: "key" }, ...features.map(each => each.key))),
        el("div", {}, el("p", {}, el("b", {}, "What it does")), done.node,
          el("div", { class: "key" }, ...Object.values(answers).map(each => each.key)))),
      news);

    function update() {
      const curves = Object.entries(rules).map(([name, rule]) =>
        [name, response(rule, size, steps, [...GRADS, grad])]);
      const most = Math.max(...curves.flatMap(([, values]) => values.map(Math.abs)));
      done.scale([0.2, 0.4, 0.8].find(top => top > most) || 1.6);
      features.forEach((each, k) => each.show(seen.place, GRADS.map(g => see(g)[k]), grad, see(grad)[k]));
      for (const [name, values] of curves)
        answers[name].show(done.place, values.slice(0, -1), grad, values.at(-1));
      for (const each of [seen, done]) each.mark(grad);
      const [x, y] = done.place(grad, curves[0][1].at(-1));
      for (const mark of [handle, hint])
        mark.style.cssText = `left:${100 * x / CHART.width}%;top:${100 * y / CHART.height}%`;
      handle.setAttribute("aria-label", `Gradient ${word(grad)}. Drag it, or use the arrow keys.`);
      many.value.textContent = steps;
      past.value.textContent = word(size);
      past.input.setAttribute("aria-valuetext", word(size));
    }

    const word = x => (x < 0 ? "−" : "") + show(Math.abs(x));
    const tell = () => {
      news.textContent = `Steps for gradient ${word(grad)}: ` +
        Object.values(answers).map(each => each.key.textContent).join(", ");
    };
    const move = g => {
      grad = Math.abs(g) < 1e-8 ? 0 : g;
      hint.remove();
      update();
    };

    seen.scale(2);
    for (const each of [seen, done]) each.node.onclick = event => { move(each.point(event)); tell(); };
    drag(handle, event => move(done.point(event)), tell);
    arrows(handle, x => move(toGradient(within(toLine(grad) + x / 40, -1, 1))), tell);
    many.input.oninput = () => { steps = Number(many.input.value); update(); };
    past.input.oninput = () => { size = 10 ** past.input.value; update(); };
    update();
  }

  return Object.assign(build, { response });
})(l2lDemos);
