// When a learned rule has paid: what it costs and what Adam costs, over the number of runs.

l2lDemos.price ??= (({ draw }) => {
  const { names, superscript, within, el, number, svg, line, drag, arrows } = draw;
  const CHART = { width: 320, height: 230, left: 36, right: 12, top: 10, bottom: 36 };
  const ACROSS = CHART.width - CHART.left - CHART.right, DOWN = CHART.height - CHART.top - CHART.bottom;
  const MOST = 7; // powers of ten of the runs

  // What l2l_lite.price.Job computes, in runs of Adam.
  function price({ runs, batch, parameters, steps, share, tries, trained_on }) {
    const once = trained_on * 100 * 15910 * (6 * 128 + 3 * 9960) / (steps * parameters * 6 * batch);
    const each = share * (1 + 9960 / (6 * batch)), owed = once - tries, saved = 1 - each;
    const after = owed <= 0 ? 0 : saved > 0 ? owed / saved : Infinity;
    const until = saved >= 0 ? Infinity : Math.max(0, owed / saved);
    return { once, each, adam: tries + runs, learned: once + runs * each, after, until };
  }

  const word = x => {
    if (x < 10) return String(+x.toPrecision(2));
    const round = +x.toPrecision(3), unit = [[1e9, "G"], [1e6, "M"], [1e4, "k"]].find(([size]) => round >= size);
    return unit ? `${+(round / (unit[1] === "k" ? 1e3 : unit[0])).toPrecision(3)} ${unit[1]}` :
      Math.round(x).toLocaleString("en");
  };

  function verdict({ once, each, after, until }) {
    const costs = `Meta-training costs as much as ${word(once)} runs of Adam, and then each run ${word(each)}.`;
    if (after === Infinity || until === 0) return `${costs} It never pays.`;
    if (until < Infinity) return `${costs} It pays for the first ${word(until)} runs only.`;
    return `${costs} It pays ${after ? `after ${word(after)} runs` : "from the first run on"}.`;
  }

  function build(root) {
    const { dials, colours } = JSON.parse(root.dataset.settings);
    const frame = svg("g", { class: "axes" }), cursor = svg("path", { class: "cursor" });
    const traces = Object.fromEntries(["Adam", "learned"].map(name => [name, svg("path")]));
    const groups = Object.entries(traces).map(([name, path]) =>
      svg("g", { class: `trace ${name}`, style: `--colour:${colours[name]}` }, path));
    const handle = el("button", { type: "button", class: "start" });
    const plot = el("div", { class: "plot" },
      svg("svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, "aria-hidden": "true" },
        frame, cursor, ...groups), handle);
    const keys = Object.keys(traces).map(name => {
      const value = number();
      return { name, value, node: el("span", { class: "name", style: `--colour:${colours[name]}` },
        `${names[name] || name}: `, value) };
    });
    const said = el("p", { "aria-live": "polite" });
    let power = 0; // of ten, of the runs

    const sliders = dials.map(({ name, label, unit, base, ...range }) => {
      const input = el("input", { type: "range", ...range }), value = number();
      const read = () => base ? base ** input.value : input.value / (unit ? 100 : 1);
      return { name, input, value, read, unit,
        node: el("label", { class: "dial" }, el("span", {}, label), input, value) };
    });
    const job = runs => Object.fromEntries([["runs", runs], ...sliders.map(one => [one.name, one.read()])]);

    root.querySelector(".stage").replaceChildren(el("div", { class: "panels" },
      el("div", { class: "dials" }, ...sliders.map(one => one.node)),
      el("div", {}, plot, el("div", { class: "key" }, ...keys.map(key => key.node)))), said);

    function update() {
      const now = price(job(10 ** power));
      const points = Array.from({ length: 71 }, (_, k) => [k / 10, price(job(10 ** (k / 10)))]);
      const top = Math.ceil(Math.log10(Math.max(points[70][1].adam, points[70][1].learned)));
      const low = Math.floor(Math.log10(Math.min(points[0][1].adam, points[0][1].learned)));
      const place = (x, cost) => [CHART.left + ACROSS * x / MOST,
        CHART.top + DOWN * (top - Math.log10(cost)) / (top - low)];
      frame.replaceChildren(...grid(low, top, place));
      for (const key of keys) {
        traces[key.name].setAttribute("d", line(points.map(([x, costs]) =>
          place(x, costs[key.name === "Adam" ? "adam" : "learned"]))));
        key.value.textContent = word(now[key.name === "Adam" ? "adam" : "learned"]);
      }
      const [x, y] = place(power, now.learned), runs = word(10 ** power);
      cursor.setAttribute("d", `M${x} ${CHART.top}v${DOWN}`);
      handle.style.cssText = `left:${100 * x / CHART.width}%;top:${100 * y / CHART.height}%`;
      handle.setAttribute("aria-label", `${runs} runs. Drag it, or use the arrow keys.`);
      for (const { input, value, read, unit } of sliders) {
        value.textContent = unit ? `${input.value} ${unit}` : word(read());
        input.setAttribute("aria-valuetext", value.textContent);
      }
      return now;
    }
    const tell = () => { said.textContent = verdict(update()); };
    const move = x => { power = within(x, 0, MOST); tell(); };
    const point = event => {
      const box = plot.getBoundingClientRect();
      return MOST * (CHART.width * (event.clientX - box.left) / box.width - CHART.left) / ACROSS;
    };

    plot.onclick = event => move(point(event));
    drag(handle, event => move(point(event)), tell);
    arrows(handle, (x, y) => move(power + (x + y) / 10), tell);
    for (const { input } of sliders) input.oninput = tell;
    tell();
  }

  function grid(low, top, place) {
    const marks = [], every = Math.ceil((top - low) / 6), end = { "text-anchor": "end" };
    const tick = power => power < 0 || power > 3 ? `10${superscript(power)}` : String(10 ** power);
    for (let power = low; power <= top; power += every) {
      const y = place(0, 10 ** power)[1];
      marks.push(svg("path", { d: `M${CHART.left} ${y}h${ACROSS}` }),
        svg("text", { x: CHART.left - 5, y: y + 4, ...end }, tick(power)));
    }
    for (let power = 0; power <= MOST; power++)
      marks.push(svg("text", { x: place(power, 1)[0], y: CHART.height - 20, "text-anchor": "middle" },
        tick(power)));
    return [...marks, svg("text", { x: CHART.width - CHART.right, y: CHART.height - 4, ...end }, "runs"),
      svg("text", { x: CHART.left + 6, y: CHART.top + 12 }, "cost, in runs of Adam")];
  }

  return Object.assign(build, { price });
})(l2lDemos);
