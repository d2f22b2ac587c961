// A landscape with a start that the reader drags, the paths of the rules, and their losses.

l2lDemos.race ??= (({ core, draw }) => {
  const { names, superscript, signed, show, within, fill, el, number, svg, line, dots, drag, arrows } = draw;

  const scenes = {
    rosenbrock: { label: "Curved valley", slider: "Steepness of the walls", amount: 2, range: [1, 20, 0.5],
      start: [-1.5, 2.5] },
    quadratic: { label: "Bowl", slider: "Condition number", amount: 10, range: [1, 50, 1], start: [-1.6, 1] },
    saddle: { label: "Saddle", slider: "Curvature across", amount: 1, range: [1, 10, 0.5],
      start: [-1.6, 0.1] },
    noisy: { label: "Noisy bowl", slider: "Noise", amount: 0.3, range: [0, 1, 0.05], start: [-1.6, 1] },
    aligned: { label: "Bowl", slider: "Largest curvature L", amount: 10, range: [1, 30, 0.5],
      start: [-1.6, 0.6] },
  };
  const SIZE = 400; // of the map, in its own units
  const CHART = { width: 300, height: 200, left: 34, right: 6, top: 6, bottom: 24 };
  const ACROSS = CHART.width - CHART.left - CHART.right, DOWN = CHART.height - CHART.top - CHART.bottom;
  const SECONDS = 3, LONG = 100; // of a race; steps of a longer one
  const [LOW, HIGH] = [-3, 0.5]; // powers of ten of the learning rates

  // Contours, by marching squares: where a side of a small square crosses a level, a line passes.

  const LEVELS = Array.from({ length: 13 }, (_, k) => ((k + 1) / 14) ** 3); // dense near the minimum

  // The loss on a grid, from 0 to 1.
  function heights({ loss, view: [left, right, low, high] }, n) {
    const at = (a, b, k) => a + (b - a) * k / n, index = Array.from({ length: n + 1 }, (_, k) => k);
    const rows = index.map(j => index.map(i => loss([at(left, right, i), at(high, low, j)])));
    const all = rows.flat(), least = Math.min(...all), most = Math.max(...all);
    return rows.map(row => row.map(z => (z - least) / (most - least)));
  }

  function contour(rows, level) {
    const n = rows.length - 1, parts = [];
    for (let j = 0; j < n; j++) for (let i = 0; i < n; i++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      const ends = corners.flatMap((corner, k) => crossing(rows, corner, corners[(k + 1) % 4], level));
      for (let k = 1; k < ends.length; k += 2)
        parts.push(line([ends[k - 1], ends[k]].map(end => end.map(x => x * SIZE / n))));
    }
    return parts.join("");
  }

  function crossing(rows, [i, j], [k, l], level) {
    const a = rows[j][i] - level, b = rows[l][k] - level;
    if (a < 0 === b < 0) return [];
    return [[i + (k - i) * a / (a - b), j + (l - j) * a / (a - b)]];
  }

  // One flat tint for each band between two contours: the deeper, the less of it.
  function tint(canvas, rows) {
    const n = canvas.width = canvas.height = rows.length - 1, context = canvas.getContext("2d");
    const picture = context.createImageData(n, n);
    for (let k = 0; k < n * n; k++) {
      const height = rows[Math.floor(k / n)][k % n];
      picture.data.set([70, 105, 150, 9 * LEVELS.filter(level => level < height).length], 4 * k);
    }
    context.putImageData(picture, 0, 0);
  }

  // Parts of a demo

  // A path on the map, or a curve in the chart: a line, dots at its steps, and where it is now.
  function trace(name, colour) {
    const casing = svg("path", { class: "casing" }), body = svg("path");
    const steps = svg("path", { class: "dots" }), tip = svg("circle", { r: 5 });
    const node = svg("g", { class: `trace ${name}`, style: `--colour:${colour}` }, casing, body, steps, tip);
    const draw = (points, [x, y]) => {
      for (const path of [casing, body]) path.setAttribute("d", line([...points, [x, y]]));
      steps.setAttribute("d", dots(points));
      fill(tip, { cx: x, cy: y }, []);
    };
    return { node, draw };
  }

  function lane(name, colour) {
    const label = names[name] || name, value = number(), loss = number();
    const slider = el("input", { type: "range", min: LOW, max: HIGH, step: 0.025,
      "aria-label": `Learning rate, ${label}` });
    const rate = name === "learned" ? el("em", {}, "none to set") : el("span", { class: "groove" }, slider);
    const node = el("div", { class: "lane", style: `--colour:${colour}` },
      el("span", { class: "name" }, label), rate, value, loss);
    return { node, label, slider, value, loss };
  }

  function chooser(landscapes) {
    const group = `l2l-landscape-${Math.random()}`; // radio buttons of a page that share a name are one group
    const options = landscapes.map(name => el("label", {},
      el("input", { type: "radio", name: group, value: name }), scenes[name].label));
    return el("fieldset", { class: "choice" }, el("legend", {}, "Landscape"), ...options);
  }

  // The grid of the chart, for losses of 10^low to 10^high.
  function grid([low, high], steps) {
    const { width, height, left, top } = CHART, marks = [];
    for (let power = low; power <= high; power += high - low > 5 ? 2 : 1) {
      const y = top + DOWN * (high - power) / (high - low);
      marks.push(svg("path", { d: `M${left} ${y}h${ACROSS}` }), svg("text",
        { x: left - 5, y: y + 4, "text-anchor": "end" }, ["1", "10"][power] || `10${superscript(power)}`));
    }
    for (const quarter of [0, 1, 2, 3, 4]) marks.push(svg("text", { x: left + ACROSS * quarter / 4,
      y: height - 8, "text-anchor": ["start", "middle", "middle", "middle", "end"][quarter] },
      `${quarter ? "" : "step "}${steps * quarter / 4}`));
    return [...marks, svg("text", { x: width - 8, y: top + 12, "text-anchor": "end" }, "loss")];
  }

  // All elements, by name, and those that stand on the stage.
  function view({ landscapes, rules, colours }) {
    const several = rules.length > 1;
    const shade = el("canvas"), contours = svg("g", { class: "contours" }), paths = svg("g");
    const goals = svg("g", { class: "goals" });
    const plane = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" },
      contours, paths, goals);
    const handle = el("button", { type: "button", class: "start" });
    const hint = el("span", { class: "hint", "aria-hidden": "true" }, "Drag me");
    const map = el("div", { class: "map" }, shade, plane, handle, hint);

    const axes = svg("g", { class: "axes" }), curves = svg("g"), cursor = svg("path", { class: "cursor" });
    const inner = svg("svg", { x: CHART.left, y: CHART.top, width: ACROSS + CHART.right, height: DOWN },
      cursor, curves);
    const chart = svg("svg", { class: "chart", viewBox: `0 0 ${CHART.width} ${CHART.height}`,
      "aria-hidden": "true" }, axes, inner);

    const choice = chooser(landscapes);
    const dial = el("input", { type: "range" }), dialName = el("span"), dialValue = number();
    const time = el("input", { type: "range", "aria-label": "Step of the race" });
    const clock = number(), verdict = el("p"), news = el("p", { class: "quiet", "aria-live": "polite" });
    const go = el("button", { type: "button", class: "go" }, several ? "▶ Race" : "▶ Run");
    const best = el("button", { type: "button" }, `Best rate${several ? "s" : ""} from here`);
    const longer = el("button", { type: "button", class: "longer" });
    const table = el("div", { class: "rules" }, el("div", { class: "lane head" },
      el("span"), el("span", {}, "learning rate"), el("span"), el("span", {}, "loss")));

    const parts = {}; // of each rule: its path, its curve, its line in the table
    for (const name of rules) {
      const part = parts[name] = lane(name, colours[name]);
      for (const [where, kind] of [[paths, "path"], [curves, "curve"]]) {
        part[kind] = trace(name, colours[name]);
        where.append(part[kind].node);
      }
      table.append(part.node);
    }

    const stage = [
      el("div", { class: "top" }, choice, el("label", { class: "dial" }, dialName, dial, dialValue)),
      el("div", { class: "panels" },
        el("div", {}, map, el("div", { class: "time" }, go, time, clock)),
        el("div", {}, chart, table, best, " ", longer, verdict)),
      news];
    return { stage, map, shade, contours, goals, handle, hint, axes, cursor, choice, dial, dialName,
      dialValue, time, clock, go, best, longer, verdict, news, parts };
  }

  // The numbers: what the reader has set, and the runs that follow from it.
  function contest({ rules, steps, learned }) {
    const lstm = learned && core.lstm(learned);
    const each = (keys, what) => Object.fromEntries(keys.map(name => [name, what(name)]));
    const race = {
      steps, other: LONG,
      handmade: rules.filter(name => name !== "learned"),
      enter(name) {
        race.name = name;
        race.start = scenes[name].start;
        race.shape(scenes[name].amount);
      },
      shape(amount) {
        race.amount = amount;
        race.landscape = core.landscapes[race.name](amount);
      },
      tune() {
        race.rates = each(race.handmade, name =>
          core.tune(core.rules[name], race.landscape, race.start, race.steps));
      },
      run() {
        race.runs = each(rules, name => core.run(name === "learned" ? lstm : core.rules[name](race.rates[name]),
          race.landscape, race.start, race.steps));
      },
    };
    return race;
  }

  const star = (x, y) => line(Array.from({ length: 10 }, (_, k) => {
    const radius = k % 2 ? 4 : 10, angle = k * Math.PI / 5;
    return [x + radius * Math.sin(angle), y - radius * Math.cos(angle)];
  })) + "Z";

  // The picture of a race, in the elements of its view.
  function painter(race, { map, shade, contours, goals, handle, hint, axes, cursor, dial, dialName, dialValue,
    time, clock, longer, verdict, news, parts }) {
    let range; // of the losses, in powers of ten

    // From numbers to places, on the map and in the chart

    const place = ([x, y]) => {
      const [left, right, low, high] = race.landscape.view;
      return [(x - left) / (right - left), (high - y) / (high - low)].map(s => SIZE * within(s, -20, 20));
    };
    const point = event => {
      const box = map.getBoundingClientRect(), [left, right, low, high] = race.landscape.view;
      return [left + (right - left) * (event.clientX - box.left) / box.width,
        high - (high - low) * (event.clientY - box.top) / box.height];
    };
    const spot = (loss, t) => {
      const share = (range[1] - Math.log10(loss + 1e-12)) / (range[1] - range[0]);
      return [ACROSS * t / race.steps, DOWN * within(share, -0.2, 1.2)];
    };

    // The ground, which changes with the landscape alone
    function ground() {
      const scene = scenes[race.name], field = heights(race.landscape, 80);
      [dial.min, dial.max, dial.step] = scene.range;
      dial.value = dialValue.textContent = race.amount;
      dialName.textContent = scene.slider;
      contours.replaceChildren(...LEVELS.map(level => svg("path", { d: contour(field, level) })));
      tint(shade, heights(race.landscape, 160));
      goals.replaceChildren(...race.landscape.minima.map(p => svg("path", { d: star(...place(p)) })));
    }

    // What is the same at every step of a race
    function prepare() {
      const { start, rates, steps, landscape } = race, [x, y] = place(start).map(x => 100 * x / SIZE);
      for (const mark of [handle, hint]) mark.style.cssText = `left:${x}%;top:${y}%`;
      handle.setAttribute("aria-label",
        `Start, at ${start.map(signed).join(", ")}. Drag it, or use the arrow keys.`);
      for (const name of race.handmade) {
        const { slider, value } = parts[name];
        slider.value = Math.log10(rates[name]);
        slider.setAttribute("aria-valuetext", value.textContent = show(rates[name]));
      }
      const all = Object.values(race.runs).map(run => run.losses);
      const power = x => Math.ceil(Math.log10(x + 1e-9));
      const least = Math.min(...all.map(losses => losses.at(-1))), most = Math.max(...all.flat());
      const first = Math.max(1, power(landscape.loss(start)));
      range = [within(power(least) - 1, -8, -2), within(power(most), first, first + 2)];
      axes.replaceChildren(...grid(range, steps));
      time.max = steps;
      longer.textContent = `${race.other} steps`;
    }

    // Chapter 1: what the limit 2/L says before the run does.
    function judge() {
      const lr = race.rates.GD, edge = 2 / race.amount, groove = parts.GD.slider.parentNode;
      groove.dataset.limit = `2/L = ${show(edge)}`;
      groove.style.setProperty("--limit", within((Math.log10(edge) - LOW) / (HIGH - LOW), 0, 1));
      const fate = lr > edge ? "above 2/L: the run diverges" : "below 2/L: the run converges";
      verdict.textContent = `α = ${+lr.toPrecision(4)} is ${fate}. ` +
        `Each step multiplies θ₁ by ${signed(1 - lr)} and θ₂ by ${signed(1 - lr * race.amount)}.`;
    }

    // The race at a time between two steps
    function draw(t) {
      const whole = Math.floor(t);
      for (const [name, part] of Object.entries(parts)) {
        const { path, losses, lost } = race.runs[name], last = path.length - 1;
        const end = Math.min(whole, last), share = end < last ? t - whole : 0;
        const ahead = (a, b) => a.map((x, i) => x + share * (b[i] - x));
        const next = Math.min(end + 1, last);
        const walked = path.slice(0, end + 1), fallen = losses.slice(0, end + 1);
        part.path.draw(walked.map(place), ahead(place(path[end]), place(path[next])));
        part.curve.draw(fallen.map(spot), ahead(spot(losses[end], end), spot(losses[next], next)));
        part.now = lost && whole > last ? Infinity : losses[end];
        part.loss.textContent = show(part.now);
      }
      const all = Object.values(parts), least = Math.min(...all.map(part => part.now));
      for (const { node, now } of all) node.classList.toggle("first", now === least && now < Infinity);
      cursor.setAttribute("d", `M${ACROSS * t / race.steps} 0v${DOWN}`);
      time.value = whole;
      clock.textContent = `step ${whole}`;
    }

    function tell() {
      news.textContent = `Losses after ${race.steps} steps: ` +
        Object.values(parts).map(({ label, loss }) => `${label} ${loss.textContent}`).join(", ");
    }

    return { point, ground, prepare, judge, draw, tell };
  }

  // The reader: what each control does.
  function build(root) {
    const settings = JSON.parse(root.dataset.settings), elements = view(settings), race = contest(settings);
    const { stage, map, handle, hint, choice, dial, time, go, best, longer, parts } = elements;
    const { point, ground, prepare, judge, draw, tell } = painter(race, elements);
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    let frame;

    function rerun() {
      race.run();
      prepare();
      if (settings.limit) judge();
    }

    function finish() {
      draw(race.steps);
      tell();
    }

    function play() {
      cancelAnimationFrame(frame);
      if (still.matches) return finish();
      const began = performance.now();
      const tick = moment => {
        const t = Math.max(0, moment - began) / 1000 / SECONDS * race.steps;
        if (t >= race.steps) return finish();
        draw(t);
        frame = requestAnimationFrame(tick);
      };
      frame = requestAnimationFrame(tick);
    }

    // While something moves, the whole run is there at once.
    function change(what) {
      cancelAnimationFrame(frame);
      what();
      rerun();
      draw(race.steps);
    }

    function enter(name) {
      choice.querySelector(`[value=${name}]`).checked = true;
      race.enter(name);
      ground();
      race.tune();
      rerun();
    }

    const move = ([x, y]) => change(() => {
      const [left, right, low, high] = race.landscape.view;
      race.start = [within(x, left, right), within(y, low, high)];
      hint.remove();
    });
    map.onclick = event => { move(point(event)); play(); };
    drag(handle, event => move(point(event)), play);
    arrows(handle, (x, y) => move([race.start[0] + x / 10, race.start[1] + y / 10]), finish);
    choice.onchange = event => { enter(event.target.value); play(); };
    dial.oninput = () => change(() => { race.shape(Number(dial.value)); ground(); });
    time.oninput = () => { cancelAnimationFrame(frame); draw(Number(time.value)); };
    go.onclick = play;
    best.onclick = () => { race.tune(); rerun(); play(); };
    longer.onclick = () => { [race.steps, race.other] = [race.other, race.steps]; best.onclick(); };
    for (const [name, { node, slider, path, curve }] of Object.entries(parts)) {
      slider.oninput = () => change(() => { race.rates[name] = 10 ** slider.value; });
      node.onpointerenter = node.onpointerleave = ({ type }) => [root, path.node, curve.node].forEach(
        each => each.classList.toggle("only", type === "pointerenter"));
    }

    root.classList.toggle("solo", settings.rules.length === 1);
    root.querySelector(".stage").replaceChildren(...stage);
    enter(settings.landscapes[0]);
    draw(race.steps);
  }

  return build;
})(l2lDemos);
