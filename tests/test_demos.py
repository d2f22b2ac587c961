"""The demos compute what PyTorch computes, and a reader can start them by mouse and by keyboard."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from demo import ShowDemo
from docutils.parsers.rst import DirectiveError
from docutils.statemachine import StringList
from landscapes import LANDSCAPES, Landscape, normals, uniforms
from playwright.sync_api import Browser, Page, Route
from torch import Tensor

import l2l_lite as l2l
from l2l_lite.demos import Demo
from l2l_lite.price import Job

STEPS = (0, 2, 4, 8)


def frames() -> Demo:
    """Two rules that paint a square dark and red."""
    shades = torch.linspace(1, 0, len(STEPS))[:, None, None, None].expand(-1, 3, 16, 16)
    pictures = {"learned": shades, "Adam": shades * torch.tensor([1.0, 0, 0])[:, None, None]}
    losses = {"learned": [100.0, 50.04, 2.0, 1.0], "Adam": [100.0, 60.0, 3.0, 2.0]}
    return l2l.demos.frames(pictures, losses, STEPS, alt="Two squares.", look_for=("dark", "red", "both"))


def make(name: str) -> Demo:
    return frames() if name == "frames" else getattr(l2l.demos, name)()


DEMOS = {name: make(name) for name in ("race", "descent", "response", "messages", "price", "frames")}
AMOUNTS = {"rosenbrock": 2.0, "quadratic": 10.0, "saddle": 1.0, "noisy": 0.3, "aligned": 10.0}
STARTS = {"rosenbrock": (-1.5, 2.5), "saddle": (-1.6, 0.1)}
RULES = {
    "GD": l2l.GradientDescent,
    "Momentum": l2l.Momentum,
    "RMSProp": l2l.RMSProp,
    "Adam": l2l.Adam,
}
RATES = 10 ** (torch.arange(15, dtype=torch.float64)[:, None] / 4 - 3)  # the grid of the page

each_demo = pytest.mark.parametrize("name", DEMOS)
each_landscape = pytest.mark.parametrize("landscape", LANDSCAPES)


def problem(landscape: str, amount: float | None = None) -> Landscape:
    start = torch.tensor([STARTS.get(landscape, (-1.6, 1.0))], dtype=torch.float64)
    return LANDSCAPES[landscape](start, AMOUNTS[landscape] if amount is None else amount)


def rule(name: str, lr: float | Tensor) -> l2l.UpdateRule:
    return RULES[name](lr) if name in RULES else l2l.zoo.load(name).double()


def follow(rule: l2l.UpdateRule, problem: Landscape, steps: int) -> tuple[list[list[float]], list[float]]:
    """Positions and losses without noise of all steps."""
    at = l2l.start(rule, problem)
    path = [at.theta]
    for _ in range(steps):
        at = l2l.optimize(rule, problem, 1, at)
        path.append(at.theta)
    return [theta[0].tolist() for theta in path], [problem.evaluate(theta).item() for theta in path]


def last_loss(problem: Landscape, steps: int = 40) -> float:
    """Of the learned rule."""
    return follow(rule("quadratic", 0), problem, steps)[1][-1]


def last_losses(name: str, landscape: str, steps: int = 40) -> Tensor:
    """Of a hand-made rule, a task for each of RATES; infinite where it is lost."""
    here = problem(landscape)
    here.theta0 = here.theta0.expand(len(RATES), 2)
    theta = l2l.optimize(rule(name, RATES), here, steps).theta
    return here.evaluate(theta).nan_to_num(torch.inf)


# In a browser


class Shown:
    """A page with demos, and all that it complained about or asked of the network."""

    def __init__(self, browser: Browser, folder: Path, *demos: Demo, theme: str = "light", width: int = 800):
        file = folder / "demo.html"
        body = "".join(demo._repr_html_() for demo in demos)
        title = "<meta charset='utf-8'><title>Demo</title>"
        file.write_text(
            f"<!doctype html><html lang='en'>{title}<main><h1>Demo</h1>{body}</main></html>", "utf-8"
        )
        self.faults: list[str] = []
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
        )
        self.page = context.new_page()
        self.page.set_default_timeout(300_000)  # milliseconds, for a busy machine
        self.page.route(re.compile("^(?!file:|data:)"), self._refuse)
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(file.as_uri())

    def _refuse(self, route: Route) -> None:
        self.faults.append(route.request.url)
        route.abort()


@pytest.fixture(scope="module")
def shown(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    shown = Shown(browser, tmp_path_factory.mktemp("demo"), DEMOS["race"])
    yield shown.page
    assert not shown.faults


RUN = """([name, lstm, lr, landscape, amount, start, steps]) => {
    const { core } = l2lDemos, rule = lstm ? core.lstm(lstm) : core.rules[name](lr);
    return core.run(rule, core.landscapes[landscape](amount), start, steps);
}"""


@each_landscape
@pytest.mark.parametrize("name", [*RULES, "quadratic", "neural-art"])
def test_the_page_computes_what_torch_computes(shown: Page, name: str, landscape: str) -> None:
    """Every rule on every landscape, and both kinds of features: positions and losses of 100 steps."""
    lr, here = 0.02, problem(landscape)
    lstm = None if name in RULES else l2l.demos.response(name).settings["learned"]
    path, losses = follow(rule(name, lr), here, 100)
    arguments = [name, lstm, lr, landscape, here.amount, here.theta0[0].tolist(), 100]
    run = shown.evaluate(RUN, arguments)
    assert len(run["path"]) == 101
    assert run["path"] == [pytest.approx(point, rel=1e-5, abs=1e-9) for point in path]
    assert run["losses"] == pytest.approx(losses, rel=1e-5, abs=1e-7)


RESPONSE = """([lstm, history, steps, grads]) =>
    l2lDemos.response.response(l2lDemos.core.lstm(lstm), history, steps, grads)"""


@pytest.mark.parametrize("name", ["learned", "untrained"])
def test_the_page_answers_as_torch_does(browser: Browser, tmp_path: Path, name: str) -> None:
    shown, lstm = Shown(browser, tmp_path, DEMOS["response"]), DEMOS["response"].settings[name]
    rule = (l2l.zoo.load("mnist") if name == "learned" else untrained(lstm["seed"])).double()
    grads = [-10.0, -1e-3, -1e-6, 0.0, 1e-5, 1.0]
    for history, steps in ((1.0, 0), (1.0, 20), (1e-5, 7)):
        past = torch.full((steps, 1), history, dtype=torch.float64)
        (expected,) = l2l.anatomy.response(rule, past, torch.tensor(grads, dtype=torch.float64)).tolist()
        answered = shown.page.evaluate(RESPONSE, [lstm, history, steps, grads])
        assert answered == pytest.approx(expected, rel=1e-5, abs=1e-9)
    shown.page.context.close()


def untrained(seed: int) -> l2l.LSTMRule:
    """An LSTM whose weights are the page's uniform numbers, between ±1/√20."""
    rule, drawn = l2l.LSTMRule().double(), uniforms(seed)
    for weight in rule.parameters():
        numbers = [(2 * next(drawn) - 1) / 20**0.5 for _ in range(weight.numel())]
        weight.data = torch.tensor(numbers, dtype=torch.float64).reshape(weight.shape)
    return rule


def test_what_the_response_says_to_look_for_is_so() -> None:
    def step(rule: l2l.UpdateRule, grad: float, steps: int = 0) -> float:
        return l2l.anatomy.response(rule, torch.ones(steps, 1), torch.tensor([float(grad)])).item()

    learned = l2l.zoo.load("mnist")
    assert 2.5 < step(learned, 10) / step(learned, 1e-3) < 3.5
    assert step(learned, -10, 20) < 0
    assert step(l2l.Momentum(0.1), -8, 20) > 0 > step(l2l.Momentum(0.1), -7.8, 20)
    rule = untrained(DEMOS["response"].settings["untrained"]["seed"]).float()
    assert abs(step(rule, 10) - step(rule, -10)) < 0.1 * abs(step(learned, 10) - step(learned, -10))


JOBS = [
    Job(),
    Job(runs=1e4, batch=2048, tries=0),
    Job(runs=3.5, batch=4096, parameters=1e6, steps=1e4, share=0.8, tries=200, trained_on=1e3),
    Job(runs=50, batch=16, parameters=1e9, share=1.0, tries=30),
]


@pytest.mark.parametrize("job", JOBS)
def test_the_page_reckons_as_the_package_does(browser: Browser, tmp_path: Path, job: Job) -> None:
    shown = Shown(browser, tmp_path, DEMOS["price"])
    found = shown.page.evaluate("job => l2lDemos.price.price(job)", vars(job))
    ends = {"after": job.pays_after(), "until": job.pays_until()}
    costs = {"once": job.once, "each": job.each, "adam": job.adam(), "learned": job.learned()}
    assert found == pytest.approx(ends | costs, rel=1e-9)
    assert not shown.faults
    shown.page.context.close()


def test_what_the_price_says_to_look_for_is_so() -> None:
    job = Job(parameters=10**4.2)
    assert f"{job.once:,.0f}, {job.each:.1f}" == "4,006, 6.6"
    assert job.pays_after() == float("inf")
    wide = replace(job, batch=2048)
    assert round(wide.pays_after(), -1) == 1550
    assert replace(wide, parameters=10**6.2).once < wide.tries


def told(
    rate: float, steps: int, *, last: bool, dashed: bool
) -> tuple[list[list[float]], list[float], float]:
    """What autograd says to each step of a run on f(θ) = ½ θ² from 1, loss by loss and in all; and dL/dα."""
    alpha = torch.tensor(rate, dtype=torch.float64, requires_grad=True)
    theta, moves, losses = torch.ones((), dtype=torch.float64), [], []
    for _ in range(steps):
        moves.append(-alpha * (theta if dashed else theta.detach()))
        theta = theta + moves[-1]
        losses.append(theta**2 / 2)
    counted = [loss * (not last or loss is losses[-1]) for loss in losses]
    parts = [[0.0] + [_slope(loss, move) for loss in counted] for move in moves]
    return parts, [_slope(sum(counted), move) for move in moves], _slope(sum(counted), alpha)


def _slope(loss: Tensor, by: Tensor) -> float:
    (grad,) = torch.autograd.grad(loss, by, retain_graph=True, allow_unused=True)
    return 0.0 if grad is None else grad.item()


@pytest.mark.parametrize("dashed", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_each_step_hears_what_autograd_tells_it(browser: Browser, tmp_path: Path, last: bool, dashed: bool):
    page = Shown(browser, tmp_path, DEMOS["messages"]).page
    objective = l2l.objectives.last if last else l2l.objectives.uniform
    for rate, steps in ((0.5, 2), (0.5, 6), (1.0, 6), (1.7, 5)):
        how = {"last": last, "dashed": dashed}
        heard = page.evaluate("([rate, n, how]) => l2lDemos.messages.hear(rate, n, how)", [rate, steps, how])
        parts, messages, slope = told(rate, steps, **how)
        assert heard["parts"] == [pytest.approx(part, abs=1e-12) for part in parts]
        assert heard["messages"] == pytest.approx(messages, abs=1e-12)
        assert heard["slope"] == pytest.approx(slope, abs=1e-12)
        if not dashed:
            rule = l2l.GradientDescent(torch.nn.Parameter(torch.tensor(rate, dtype=torch.float64)))
            bowl = LANDSCAPES["aligned"](torch.tensor([[1.0, 0.0]], dtype=torch.float64), 1.0)
            l2l.meta_gradient(rule, bowl, steps, l2l.start(rule, bowl), objective=objective)
            assert heard["slope"] == pytest.approx(rule.lr.grad.item(), abs=1e-12)
    page.context.close()


def test_what_the_messages_say_to_look_for_is_so() -> None:
    slopes = {
        (rate, last, dashed): told(rate, 6, last=last, dashed=dashed)[2]
        for rate in (0.5, 1.5)
        for last in (False, True)
        for dashed in (False, True)
    }
    assert [f"{slopes[0.5, False, dashed]:.2g}" for dashed in (False, True)] == ["-1.3", "-0.89"]
    assert slopes[1.5, True, False] < 0 < slopes[1.5, True, True]
    parts = told(1.5, 6, last=True, dashed=False)[0]
    assert all(part == parts[0] for part in parts)  # one and the same gradient


def test_a_run_that_leaves_is_told(shown: Page) -> None:
    run = shown.evaluate(RUN, ["GD", None, 3.0, "aligned", 10.0, [1.0, 1.0], 40])
    assert run["lost"]
    assert len(run["path"]) < 41


def test_rates_are_the_best_of_the_grid(shown: Page) -> None:
    tune = """([name, start]) =>
        l2lDemos.core.tune(l2lDemos.core.rules[name], l2lDemos.core.landscapes.rosenbrock(2), start, 40)"""
    start = problem("rosenbrock").theta0[0].tolist()
    for name in RULES:
        best = RATES[last_losses(name, "rosenbrock").argmin()].item()
        assert shown.evaluate(tune, [name, start]) == pytest.approx(best)


def best_losses(landscape: str, steps: int = 40) -> list[float]:
    """The last losses of the hand-made rules, each at its best rate."""
    return [last_losses(name, landscape, steps).min().item() for name in RULES]


def test_what_the_race_says_to_look_for_is_so() -> None:
    """The learned rule wins over 40 steps of the valley, and loses elsewhere."""
    assert last_loss(problem("rosenbrock")) < 0.1 * min(best_losses("rosenbrock"))
    _, momentum, _, adam = best_losses("rosenbrock", 100)
    assert last_loss(problem("rosenbrock"), steps=100) > 10 * max(momentum, adam)
    assert last_loss(problem("quadratic")) > min(best_losses("quadratic"))
    assert last_loss(problem("noisy")) > max(best_losses("noisy"))
    steep = problem("rosenbrock", 20)
    assert last_loss(steep) > steep.evaluate(steep.theta0).item()


def test_what_it_says_of_other_starts_is_so() -> None:
    """With the best rates of the first start, from the middles of an 8 × 8 grid over the map."""
    across, up = torch.meshgrid(torch.arange(8) / 2 - 1.75, torch.arange(8) / 2 - 0.75, indexing="ij")
    starts = torch.stack([across, up], dim=-1).reshape(64, 2).double()
    valley = LANDSCAPES["rosenbrock"](starts, 2.0)
    rates = {"GD": -1.25, "Momentum": -1, "RMSProp": -1.75, "Adam": -0.25}
    rules = {name: RULES[name](10**power) for name, power in rates.items()}
    rules["learned"] = rule("quadratic", 0)
    last = {
        name: l2l.optimize(rule, valley, 40).losses[-1].nan_to_num(torch.inf) for name, rule in rules.items()
    }
    assert last["Momentum"].isinf().sum() == 32
    medians = {name: losses.median().item() for name, losses in last.items()}
    assert sorted(medians, key=lambda name: medians[name])[:2] == ["learned", "Adam"]
    assert [f"{medians[name]:.0e}" for name in ("learned", "Adam")] == ["8e-04", "3e-02"]


# The reader


def drawn(page: Page, name: str = "learned", demo: int = 0) -> str:
    path = page.locator(".l2l-demo").nth(demo).locator(f".map .{name} path").nth(1)
    return path.get_attribute("d") or ""


def drag(page: Page, right: float, down: float) -> None:
    box = page.locator(".l2l-demo .start").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=3)
    page.mouse.up()


@pytest.fixture
def fresh(browser: Browser, tmp_path: Path) -> Iterator[Shown]:
    shown = Shown(browser, tmp_path, DEMOS["race"], DEMOS["descent"], DEMOS["race"])
    yield shown
    assert not shown.faults
    shown.page.context.close()


def test_the_start_is_dragged(fresh: Shown) -> None:
    page = fresh.page
    before, others = drawn(page), [drawn(page, "GD", 1), drawn(page, demo=2)]
    label = page.locator(".start").first.get_attribute("aria-label")
    drag(page, 100, 60)
    assert drawn(page) != before
    assert page.locator(".start").first.get_attribute("aria-label") != label
    assert [drawn(page, "GD", 1), drawn(page, demo=2)] == others  # each demo has a start of its own
    assert "Learned LSTM" in page.locator("[aria-live]").first.inner_text()


def test_the_start_is_moved_by_keys(fresh: Shown) -> None:
    page = fresh.page
    before = drawn(page)
    page.locator(".start").first.focus()
    page.keyboard.press("ArrowRight")
    assert "-1.40" in (page.locator(".start").first.get_attribute("aria-label") or "").replace("−", "-")
    assert drawn(page) != before
    page.keyboard.press("ArrowLeft")
    assert drawn(page) == before


def test_controls_change_the_race(fresh: Shown) -> None:
    page, seen = fresh.page, [drawn(fresh.page, "Adam")]
    demo = page.locator(".l2l-demo").first
    demo.get_by_label("Learning rate, Adam").press("ArrowRight")
    seen.append(drawn(page, "Adam"))
    demo.get_by_role("button", name="Best rates from here").click()
    assert drawn(page, "Adam") == seen[0]
    demo.locator(".dial input").press("ArrowRight")
    seen.append(drawn(page, "Adam"))
    demo.get_by_role("button", name="100 steps").click()
    assert demo.locator(".time .value").inner_text() == "step 100"
    seen.append(drawn(page, "Adam"))
    demo.get_by_role("button", name="40 steps").click()
    assert demo.locator(".time .value").inner_text() == "step 40"
    for scene in ("Bowl", "Saddle", "Noisy bowl"):
        demo.get_by_text(scene, exact=True).click()
        seen.append(drawn(page, "Adam"))
    assert len(set(seen)) == len(seen)


def test_the_limit_is_marked_and_kept(fresh: Shown) -> None:
    demo = fresh.page.locator(".l2l-demo").nth(1)
    assert demo.locator(".groove").get_attribute("data-limit") == "2/L = 0.2"
    assert "converges" in demo.locator(".panels p").inner_text()
    for _ in range(2):
        demo.get_by_label("Learning rate").press("ArrowRight")
    fate = "α = 0.1995 is below 2/L: the run converges. Each step multiplies θ₁ by 0.80 and θ₂ by −0.995."
    assert demo.locator(".panels p").inner_text() == fate
    demo.get_by_label("Learning rate").press("ArrowRight")
    assert "diverges" in demo.locator(".panels p").inner_text()


def test_a_rule_that_is_lost_is_not_first(fresh: Shown) -> None:
    demo = fresh.page.locator(".l2l-demo").nth(1)
    assert demo.locator(".first").count() == 1
    demo.get_by_label("Learning rate").press("End")
    assert demo.locator(".lane").last.inner_text().endswith("lost")
    assert demo.locator(".first").count() == 0


def test_motion_is_shown_unless_it_is_unwanted(fresh: Shown) -> None:
    page, clock = fresh.page, fresh.page.locator(".time .value").first
    go = page.get_by_role("button", name="Race").first
    go.click()
    assert clock.inner_text() == "step 40"  # reduced motion: the end at once
    page.emulate_media(reduced_motion="no-preference")
    page.clock.install()
    go.click()
    page.clock.run_for(1500)
    assert clock.inner_text() in {f"step {t}" for t in range(15, 25)}  # a race takes 3 seconds
    page.clock.run_for(2000)
    assert clock.inner_text() == "step 40"


def test_a_gradient_is_dragged(browser: Browser, tmp_path: Path) -> None:
    shown = Shown(browser, tmp_path, DEMOS["response"])
    page, answers = shown.page, shown.page.locator(".key").last
    start = page.locator(".start")
    seen = [answers.inner_text()]
    drag(page, 150, 0)
    seen.append(answers.inner_text())
    start.focus()
    page.keyboard.press("ArrowLeft")
    seen.append(answers.inner_text())
    page.get_by_label("Gradients before").press("ArrowRight")
    seen.append(answers.inner_text())
    assert len(set(seen)) == 4
    assert "Learned LSTM" in page.locator("[aria-live]").inner_text()
    assert not shown.faults
    page.context.close()


def test_the_price_is_asked_by_mouse_and_by_keys(browser: Browser, tmp_path: Path) -> None:
    shown = Shown(browser, tmp_path, DEMOS["price"])
    page, said = shown.page, shown.page.locator(".l2l-demo [aria-live]")
    costs, handle = page.locator(".key"), page.locator(".start")
    assert said.inner_text().endswith("It never pays.")
    seen = [costs.inner_text()]
    drag(page, 80, 0)
    seen.append(costs.inner_text())
    handle.press("ArrowRight")
    seen.append(costs.inner_text())
    assert len(set(seen)) == 3
    handle.press("ArrowLeft")
    assert costs.inner_text() == seen[1]
    for _ in range(4):
        page.get_by_label("Batch").press("ArrowRight")
    assert page.get_by_label("Batch").get_attribute("aria-valuetext") == "2,048"
    assert said.inner_text().endswith("It pays after 1,552 runs.")
    page.get_by_label("Tries to tune Adam").press("End")
    page.get_by_label("Parameters").press("End")
    assert said.inner_text().endswith("from the first run on.")
    page.get_by_label("Batch").press("Home")
    assert said.inner_text().endswith("runs only.")
    assert not shown.faults
    page.context.close()


def test_a_step_is_picked(browser: Browser, tmp_path: Path) -> None:
    """By mouse, on the graph or its label, and by keys; weights, edges and rate change the sum."""
    shown = Shown(browser, tmp_path, DEMOS["messages"])
    page, sum_ = shown.page, shown.page.locator("[aria-live]")
    assert sum_.inner_text().startswith("g₁ hears s₁ = ∇₂ + ∇₃ + ∇₄ + ∇₅ + ∇₆ = 0.25 + ")
    page.get_by_text("g₄", exact=True).click()
    assert sum_.inner_text() == "g₄ hears s₄ = ∇₅ + ∇₆ = 0.031 + 0.016 = 0.047"
    page.get_by_label("g₄").press("ArrowRight")
    assert sum_.inner_text() == "g₅ hears s₅ = ∇₆ = 0.016"
    box = page.locator(".graph").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.07 * box["width"], box["y"] + 0.1 * box["height"])
    assert page.get_by_label("g₀").is_checked()
    seen = [sum_.inner_text()]
    page.get_by_text("kept", exact=True).click()
    seen.append(sum_.inner_text())
    page.get_by_label("Learning rate").press("ArrowLeft")
    seen.append(sum_.inner_text())
    assert page.locator(".edge.read.on").count() == 5
    page.get_by_text("the last alone").click()
    seen.append(sum_.inner_text())
    assert len(set(seen)) == 4
    assert "q⁵∇₆" in seen[-1]
    assert not shown.faults
    page.context.close()


def test_frames_are_turned(browser: Browser, tmp_path: Path) -> None:
    """By keys and by the button; with motion one after the other, without it the last at once."""
    shown = Shown(browser, tmp_path, DEMOS["frames"])
    page, clock, news = shown.page, shown.page.locator(".time .value"), shown.page.locator("[aria-live]")
    names = page.locator("figcaption .name").all_inner_texts()
    assert names == ["Learned LSTM", "Adam"]  # in the order of the pictures
    assert clock.inner_text() == "step 4"
    page.get_by_label("Frame").press("Home")
    assert page.locator("figcaption .value").all_inner_texts() == ["100", "100"]
    page.get_by_label("Frame").press("ArrowRight")
    assert clock.inner_text() == "step 2"
    assert news.inner_text() == "Losses after 2 steps: Learned LSTM 50, Adam 60"
    assert page.locator("img").last.get_attribute("alt") == "Adam, step 2"
    page.get_by_role("button", name="Paint").click()
    assert clock.inner_text() == "step 8"
    page.emulate_media(reduced_motion="no-preference")
    page.clock.install()
    page.get_by_role("button", name="Paint").click()
    assert clock.inner_text() == "step 0"
    page.clock.run_for(1300)
    assert clock.inner_text() == "step 4"
    page.clock.run_for(1000)
    assert clock.inner_text() == "step 8"
    assert not shown.faults
    page.context.close()


def ground(page: Page) -> str:
    """Whether the ground of a demo is light or dark."""
    colour = page.locator(".l2l-demo").first.evaluate("demo => getComputedStyle(demo).backgroundColor")
    return {"rgb(255, 255, 255)": "light", "rgb(20, 24, 30)": "dark"}[colour]


@pytest.mark.parametrize(
    ("element", "attribute", "value", "expected"),
    [
        ("body", "class", "", ["light", "dark"]),
        ("documentElement", "data-theme", "light", ["light", "light"]),  # the book
        ("documentElement", "data-theme", "dark", ["dark", "dark"]),
        ("documentElement", "theme", "light", ["light", "light"]),  # Colab
        ("documentElement", "theme", "dark", ["dark", "dark"]),
        ("body", "data-jp-theme-light", "true", ["light", "light"]),  # JupyterLab
        ("body", "data-jp-theme-light", "false", ["dark", "dark"]),
        ("body", "class", "vscode-light", ["light", "light"]),
        ("body", "class", "vscode-dark", ["dark", "dark"]),
    ],
)
def test_a_demo_is_as_light_as_what_is_around_it(
    shown: Page, element: str, attribute: str, value: str, expected: list[str]
) -> None:
    """On a light system and on a dark one; where nothing around says so, as the system is."""
    shown.reload()
    shown.evaluate("([e, name, value]) => document[e].setAttribute(name, value)", [element, attribute, value])
    seen = []
    for system in ("light", "dark"):
        shown.emulate_media(color_scheme=system)
        seen.append(ground(shown))
    assert seen == expected


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [800, 390])
def test_demos_are_accessible(browser: Browser, tmp_path: Path, width: int, theme: str) -> None:
    shown = Shown(browser, tmp_path, *DEMOS.values(), theme=theme, width=width)
    assert ground(shown.page) == theme
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    lines = shown.page.locator(".lane, .dial, .time")
    assert not any(lines.evaluate_all("nodes => nodes.map(node => node.scrollWidth > node.clientWidth + 1)"))
    # One line of each demo is read out when a run ends; no number is, at every frame.
    assert shown.page.locator("[aria-live], [role=status], output").count() == len(DEMOS)
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}
    found = Axe().run(shown.page, options=options).response["violations"]
    assert not {each["id"]: [node["html"] for node in each["nodes"]] for each in found}
    assert not shown.faults
    shown.page.context.close()


# The words around


@each_demo
def test_a_page_carries_little_and_the_same_each_time(name: str) -> None:
    page = DEMOS[name]._repr_html_()
    assert page == make(name)._repr_html_()
    assert len(page.encode()) <= 60_000
    assert not re.search(r"""["'(]https?://(?!www\.w3\.org/2000/svg)|\sid=""", page)


@each_demo
def test_a_demo_at_rest_comes_to_life_on_a_page(name: str) -> None:
    shown = DEMOS[name]._repr_html_()
    resting = l2l.demos.at_rest(shown)
    assert "<script>" not in resting
    assert "<style>" not in resting
    assert l2l.demos.alive(resting) == shown
    twice = l2l.demos.alive(f"<h1>Two</h1>{resting}{resting}")
    assert twice.count("<style>") == twice.count("<script>") == 1


def test_pages_without_demos_stay_as_they_are() -> None:
    page = "<style>p {}</style><p>No demo</p><script>1</script>"
    assert l2l.demos.alive(page) == l2l.demos.at_rest(page) == page


@each_demo
def test_without_scripts_a_picture_and_the_words_remain(name: str) -> None:
    demo = DEMOS[name]
    without = re.sub(r"<(script|style)>.*?</\1>", "", demo._repr_html_(), flags=re.DOTALL)
    assert demo.alt in without
    assert 'src="data:image/webp;base64,' in without
    assert repr(demo) == f"Demo({name!r})"
    assert len(demo.look_for) == without.count("<li>") == 3


def test_a_rule_that_is_no_lstm_is_refused() -> None:
    with pytest.raises(ValueError, match="'general' is a Fading"):
        l2l.demos.response("general")


def test_features_that_the_page_does_not_know_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = l2l.LSTMRule(preprocess=lambda grad: grad[..., None])
    monkeypatch.setattr(l2l.zoo, "load", lambda name: rule)
    with pytest.raises(ValueError, match="identity and log_and_sign, but 'mnist' sees"):
        l2l.demos.response()


def test_a_page_that_asks_for_no_demo_is_told() -> None:
    directive = ShowDemo("demo", ["Demo"], {}, StringList(), 1, 0, "", None, Mock())
    with pytest.raises(DirectiveError) as error:
        directive.run()
    assert error.value.msg == "there is no demo 'Demo'; there are race, descent, response, messages, price"


def test_noise_is_normal() -> None:
    drawn = torch.tensor([normals(t) for t in range(400)])
    assert drawn.mean(dim=0).abs().max() < 0.15
    assert (drawn.std(dim=0) - 1).abs().max() < 0.1
