// An unrolled run of gradient descent on f(θ) = ½ θ² from 1, and what each of its steps hears of the losses.

l2lDemos.messages ??= (({ draw }) => {
  const { fill, el, svg } = draw;
  const WIDTH = 400, HEIGHT = 262, LEFT = 26, WIDE = 58; // of the graph; its first column, from one to the next
  const ROWS = { f: 22, theta: 84, grad: 146, step: 220 };
  const RADIUS = 16;

  // What the losses say to every step, part by part, and the slope that follows. `steps` moves from θ = 1.
  function hear(rate, steps, { last, dashed }) {
    const q = 1 - rate, grads = Array.from({ length: steps + 1 }, (_, r) => q ** r); // here ∇f(θ) = θ
    const parts = grads.slice(1).map((_, t) => grads.map((grad, r) =>
      r <= t || last && r < steps ? 0 : grad * (dashed ? q ** (r - t - 1) : 1)));
    const messages = parts.map(part => part.reduce((a, b) => a + b));
    return { grads, parts, messages, slope: -messages.reduce((sum, s, t) => sum + s * grads[t], 0) };
  }

  const word = x => {
    const size = Math.abs(x);
    return (x < 0 ? "−" : "") + (size && size < 1e-3 ? draw.show(size) : String(+size.toPrecision(2)));
  };
  const low = n => "₀₁₂₃₄₅₆₇₈₉"[n];
  const across = r => LEFT + WIDE * r;

  const text = (x, y, words, look = {}) => svg("text", { x, y, "text-anchor": "middle", ...look }, words);
  const node = (r, row, letter) => svg("g", { class: `node ${row}` },
    svg("circle", { cx: across(r), cy: ROWS[row], r: RADIUS }), text(across(r), ROWS[row] + 5, letter + low(r)));

  // The edges of step t, each from its two ends, and of loss r.
  const edges = {
    loss: r => [[r, "theta"], [r, "f"]],
    read: t => [[t, "theta"], [t, "grad"]],
    feed: t => [[t, "grad"], [t, "step"]],
    move: t => [[t, "step"], [t + 1, "theta"]],
    keep: t => [[t, "theta"], [t + 1, "theta"]],
  };
  function edge(kind, r) {
    const [a, b] = edges[kind](r).map(([column, row]) => [across(column), ROWS[row]]);
    const size = Math.hypot(b[0] - a[0], b[1] - a[1]);
    const [dx, dy] = [0, 1].map(i => (b[i] - a[i]) / size * (RADIUS + 2));
    return svg("path", { class: `edge ${kind}`, d: draw.line([[a[0] + dx, a[1] + dy], [b[0] - dx, b[1] - dy]]) });
  }

  // Which edges carry a message from some loss back to step t.
  function told(t, steps, { last, dashed }) {
    const on = [["move", t]];
    for (let r = t + 1; r <= steps; r++) if (!last || r === steps) on.push(["loss", r]);
    for (let s = t + 1; s < steps; s++) {
      on.push(["keep", s]);
      if (dashed) for (const kind of ["move", "feed", "read"]) on.push([kind, s]);
    }
    return on;
  }

  const options = (title, choices, chosen) => {
    const name = `l2l-${Math.random()}`;
    const inputs = choices.map((_, k) => el("input", { type: "radio", name, value: k }));
    inputs[chosen].checked = true;
    const node = el("fieldset", { class: "choice" }, el("legend", {}, title),
      ...choices.map((choice, k) => el("label", {}, inputs[k], choice)));
    return { node, inputs, chosen: () => inputs.findIndex(input => input.checked) };
  };

  function build(root) {
    const { steps, rate } = JSON.parse(root.dataset.settings), all = Array.from({ length: steps + 1 }, (_, r) => r);
    const lines = svg("g"), numbers = svg("g");
    const graph = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, lines,
      ...all.flatMap(r => ["f", "theta", ...(r < steps ? ["grad"] : [])].map((row, k) => node(r, row, "fθ∇"[k]))),
      numbers);
    const pick = options("Step", all.slice(1).map((_, t) => `g${low(t)}`), 1);
    pick.inputs.forEach((input, t) => {
      input.parentNode.style.cssText =
        `left:${100 * across(t) / WIDTH}%;top:${100 * ROWS.step / HEIGHT}%`;
    });
    const stage = el("div", { class: "graph" }, graph, pick.node);

    const weights = options("Which losses count", ["every loss counts", "the last alone"], 0);
    const dashes = options("Dashed edges", ["dropped", "kept"], 0);
    const dial = el("input", { type: "range", min: 0.1, max: 1.9, step: 0.1, value: rate }), dialValue = draw.number();
    const sum = el("p", { class: "sum", "aria-live": "polite" }), slope = el("p");
    root.querySelector(".stage").replaceChildren(
      el("div", { class: "top" }, weights.node,
        el("div", { class: "pair" }, el("span", { "aria-hidden": "true" }, "dashed edges"), dashes.node),
        el("label", { class: "dial" }, el("span", {}, "Learning rate α"), dial, dialValue)),
      stage, sum, slope);

    function update() {
      const alpha = Number(dial.value), t = pick.chosen();
      const how = { last: weights.chosen() === 1, dashed: dashes.chosen() === 1 };
      const { grads, parts, messages, slope: now } = hear(alpha, steps, how);
      const other = hear(alpha, steps, { ...how, dashed: !how.dashed }).slope;

      const on = new Set(told(t, steps, how).map(String)), drawn = [];
      for (const r of all) for (const kind of Object.keys(edges)) {
        if (r === steps && kind !== "loss" || kind === "read" && !how.dashed) continue;
        drawn.push(edge(kind, r));
        drawn.at(-1).classList.toggle("on", on.has(String([kind, r])));
      }
      lines.replaceChildren(...drawn);
      graph.querySelectorAll(".node.f").forEach((each, r) =>
        each.classList.toggle("off", how.last && r < steps));
      numbers.replaceChildren(
        ...grads.map((grad, r) => text(across(r), ROWS.grad + (r < steps ? 33 : 5), word(grad),
          { class: parts[t][r] ? "heard" : "" })),
        ...messages.map((s, k) => text(across(k), HEIGHT - 6, word(s), { class: k === t ? "heard" : "" })));
      fill(numbers, {}, [text(across(steps), ROWS.grad - 14, `∇${low(steps)} =`),
        text(across(steps), HEIGHT - 6, "sₜ")]);

      const heard = all.filter(r => r > t && (!how.last || r === steps));
      const factor = r => how.dashed && r > t + 1 ? `q${r > t + 2 ? draw.superscript(r - t - 1) : ""}` : "";
      const terms = heard.map(r => `${factor(r)}∇${low(r)}`).join(" + ");
      const values = heard.map(r => word(parts[t][r])).join(" + ").replace(/\+ −/g, "− ");
      sum.textContent = `g${low(t)} hears s${low(t)} = ${terms}` +
        `${heard.length > 1 ? ` = ${values}` : ""} = ${word(messages[t])}` +
        (how.dashed ? `, where q = 1 − α = ${word(1 - alpha)}` : "");
      const wish = now < -1e-12 ? "a longer step" : now > 1e-12 ? "a shorter step" : "no change";
      slope.textContent = `dℒ/dα = −Σ ∇ₜ sₜ = ${word(now)} asks for ${wish}; ` +
        `with the dashed edges ${how.dashed ? "dropped" : "kept"} it is ${word(other)}.`;
      dialValue.textContent = alpha.toFixed(1);
    }

    stage.onclick = event => {
      if (event.target.closest("label, input")) return; // it picks by itself
      const box = stage.getBoundingClientRect(), x = WIDTH * (event.clientX - box.left) / box.width;
      pick.inputs[draw.within(Math.round((x - LEFT) / WIDE), 0, steps - 1)].checked = true;
      update();
    };
    for (const each of [stage, weights.node, dashes.node]) each.onchange = update;
    dial.oninput = update;
    update();
  }

  return Object.assign(build, { hear });
})(l2lDemos);
