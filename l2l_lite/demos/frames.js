// Pictures that several rules make of one start, side by side and step by step.

l2lDemos.frames ??= (({ draw }) => {
  const { names, el } = draw;
  const SECONDS = 0.6; // that a frame stands

  function panel({ name, colour }) {
    const image = el("img"), loss = draw.number();
    const node = el("figure", { style: `--colour:${colour}` }, image,
      el("figcaption", {}, el("span", { class: "name" }, names[name] || name), el("span", {}, "loss ", loss)));
    return { node, image, loss, label: names[name] || name };
  }

  function build(root) {
    const { steps, rules } = JSON.parse(root.dataset.settings);
    const panels = rules.map(panel), last = steps.length - 1;
    const time = el("input", { type: "range", min: 0, max: last, "aria-label": "Frame" });
    const clock = draw.number(), go = el("button", { type: "button", class: "go" }, "▶ Paint");
    const news = el("p", { class: "quiet", "aria-live": "polite" });
    let timer;

    function turn(k) {
      rules.forEach(({ frames, losses }, i) => {
        const { image, loss, label } = panels[i];
        image.src = frames[k];
        image.alt = `${label}, step ${steps[k]}`;
        loss.textContent = losses[k];
      });
      time.value = k;
      clock.textContent = `step ${steps[k]}`;
      time.setAttribute("aria-valuetext", clock.textContent);
    }
    const tell = () => {
      news.textContent = `Losses after ${steps[time.value]} steps: ` +
        panels.map(({ label, loss }) => `${label} ${loss.textContent}`).join(", ");
    };
    function play(k) {
      clearTimeout(timer);
      turn(matchMedia("(prefers-reduced-motion: reduce)").matches ? k = last : k);
      if (k === last) return tell();
      timer = setTimeout(() => play(k + 1), 1000 * SECONDS);
    }

    time.oninput = () => { clearTimeout(timer); turn(Number(time.value)); };
    time.onchange = tell;
    go.onclick = () => play(0);
    root.querySelector(".stage").replaceChildren(
      el("div", { class: "film" }, ...panels.map(each => each.node)),
      el("div", { class: "time" }, go, time, clock), news);
    turn(Math.ceil(last / 2)); // as at rest
  }

  return build;
})(l2lDemos);
