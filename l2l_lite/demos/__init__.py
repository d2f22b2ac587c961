"""Demos that run in a page without a kernel: rules on landscapes, what they see and hear, what they cost."""

import base64
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from l2l_lite import plots, zoo
from l2l_lite.learned import LSTMRule
from l2l_lite.naming import describe

__all__ = ["Demo", "descent", "frames", "messages", "price", "race", "response"]

FEATURES = ("identity", "log_and_sign")  # of `core.js`


@dataclass(frozen=True)
class Demo:
    """What a cell shows as its last expression: a still picture, and the script that brings it to life.

    A page that strips scripts, as a notebook that is not trusted does, keeps the picture and the words.
    """

    name: str
    script: str  # that builds it from the settings
    alt: str
    settings: Mapping[str, Any]
    look_for: Sequence[str]
    still: str = ""  # as data; else the package holds a picture of that name

    def __repr__(self) -> str:
        return f"Demo({self.name!r})"

    def _repr_html_(self) -> str:
        settings = json.dumps(self.settings, sort_keys=True).replace("&", "&amp;").replace("'", "&#39;")
        notes = "".join(f"<li>{note}</li>" for note in self.look_for)
        return alive(
            f"<div class='l2l-demo' data-script='{self.script}' data-settings='{settings}'>"
            f"<div class='stage'>"
            f'<img alt="{html.escape(self.alt)}" src="{self.still or _picture(self.name)}"></div>'
            f'<div class="notes"><p><b>What to look for</b></p><ol>{notes}</ol></div></div>'
        )


def alive(page: str) -> str:
    """HTML with demos at rest, and the style and the scripts that bring them to life."""
    scripts = dict.fromkeys(re.findall("<div class='l2l-demo' data-script='([a-z]+)'", page))
    if not scripts:
        return page
    styles = "".join(_lean(_text(f"{name}.css")) for name in ("style", *scripts) if _has(f"{name}.css"))
    added = "".join(f"<script>{_script(name)}</script>" for name in scripts)
    return f"<style>{styles}</style>{page}{added}"


def at_rest(shown: str) -> str:
    """What a cell shows without style and scripts, as a recorded notebook holds it; `alive` adds them."""
    return (
        re.sub(r"<(style|script)>.*?</\1>", "", shown, flags=re.DOTALL)
        if "class='l2l-demo'" in shown
        else shown
    )


def race() -> Demo:
    """A race of five rules from a start that the reader drags, in a curved valley first and then elsewhere.

    The hand-made rules begin with the best learning rate of a grid; the learned one is the zoo's `quadratic`.
    """
    rules = ("GD", "Momentum", "RMSProp", "Adam", "learned")
    settings = _settings(("rosenbrock", "quadratic", "saddle", "noisy"), rules, steps=40)
    alt = (
        "Five paths from one start over the contours of a curved valley; the learned LSTM ends nearest the "
        "star."
    )
    # What the zoo's rule does from the first start, from 64 others, and elsewhere.
    look_for = (
        "<b>Nobody sets a rate for the learned LSTM.</b> Trained on random bowls only, it follows this "
        "valley all the same. The four others begin with the best rate of a grid for this very start.",
        "<b>Drag the start.</b> A rate that is the best from one place may be wrong from the next: of 64 "
        "starts all over the map, Momentum is lost from 32. The learned rule's median loss is 8·10⁻⁴ there, "
        "and that of the best of the others, Adam, 0.03.",
        "<b>Find where it loses.</b> Over 100 steps Momentum and Adam pass it. On the bowl one well-chosen "
        "rate beats it. On the noisy bowl it follows the noise, which it never met in training. Make the "
        "walls of the valley ten times as steep, and it is thrown about.",
    )
    return Demo("race", "race", alt, settings | {"learned": _lstm("quadratic")}, look_for)


def descent() -> Demo:
    """Gradient descent in a bowl of curvatures 1 and L, with sliders for the learning rate and L.

    The limit 2/L is marked on the slider.
    """
    settings = _settings(("aligned",), ("GD",), steps=20) | {"limit": True}
    alt = "Gradient descent zigzags from one side of a narrow bowl to the other, down to its minimum."
    look_for = (
        "<b>The limit.</b> Move the learning rate slowly over the mark 2/L: below it the steep direction "
        "shrinks at every step, above it grows.",
        "<b>The zigzag.</b> Above 1/L the steep coordinate changes its sign at every step.",
        "<b>The price.</b> Make L larger and take the best rate again: the limit moves down, and the flat "
        "direction has to follow it.",
    )
    return Demo("descent", "race", alt, settings, look_for)


def response(learned: str = "mnist", *, lr: float = 0.1, seed: int = 1) -> Demo:
    """What an LSTM of the zoo sees of a gradient and does with it, beside Adam and an untrained LSTM.

    A reader drags the gradient, and sets how many gradients of which size came before.
    """
    rule = _lstm(learned)
    settings = {
        "learned": rule,
        "untrained": {name: value for name, value in rule.items() if name != "weights"} | {"seed": seed},
        "lr": lr,
        "colours": {
            "learned": plots.COLOURS["learned"],
            "Adam": plots.COLOURS["Adam"],
            "untrained": plots.OTHERS[2],
            "size": "var(--ink)",
            "sign": plots.OTHERS[1],
        },
    }
    alt = "The steps of a learned LSTM, of Adam and of an untrained LSTM, over the gradient."
    look_for = (
        "<b>Two features.</b> Above e⁻¹⁰, about 5·10⁻⁵, the size is logarithmic and the sign is plain. "
        "Below, the size stays at −1 and the sign fades to zero.",
        "<b>No history: nearly a sign.</b> A gradient of 10 gets a step that is about three times as long "
        "as that of 0.001. The untrained rule hardly looks at the gradient.",
        "<b>History: a memory.</b> After 20 gradients of 1 the learned rule goes on downhill even when the "
        "next gradient is −10. Nobody has told it about momentum, which at 0.9 would turn round at −7.9.",
    )
    return Demo("response", "response", alt, settings, look_for)


def price() -> Demo:
    """When a learned rule has paid, for a reader's own batch, parameters, steps, tries and number of runs.

    The arithmetic is that of `l2l_lite.price.Job`.
    """
    log = {"base": 10, "step": 0.1}
    dials = [
        {"name": "trained_on", "label": "Runs of meta-training", "min": 0, "max": 5, "value": 2} | log,
        {
            "name": "share",
            "label": "The rule's share of steps",
            "min": 5,
            "max": 100,
            "value": 47,
            "unit": "%",
        },
        {"name": "batch", "label": "Batch", "base": 2, "min": 0, "max": 16, "value": 7},
        {"name": "parameters", "label": "Parameters", "min": 2, "max": 9, "value": 4.2} | log,
        {"name": "steps", "label": "Steps of Adam", "min": 1, "max": 6, "value": 2} | log,
        {"name": "tries", "label": "Tries to tune Adam", "min": 0, "max": 200, "value": 19},
    ]
    colours = {name: plots.COLOURS[name] for name in ("Adam", "learned")}
    alt = "What runs cost with Adam and with a learned rule, over their number; that of the rule is higher."
    look_for = (
        "<b>The question as it is asked.</b> A rule that is meta-trained on a hundred runs of MNIST has cost "
        "as much as 4,000 runs of Adam, and each of its own runs as much as 6.6. For one run, or for any "
        "number, it does not pay.",
        "<b>The batch decides.</b> A gradient costs more with every example, and the rule does not. At 128 "
        "it never pays, at 2,048 after 1,550 runs. For a convolution, take the batch times the places at "
        "which its weights are used.",
        "<b>A lead that lasts would pay.</b> At 2,048, give the network a hundred times the parameters: "
        "meta-training costs less than Adam's tries then. The sliders take for granted that the rule's lead "
        "lasts there, which somebody has to measure.",
    )
    return Demo("price", "price", alt, {"dials": dials, "colours": colours}, look_for)


def messages(*, steps: int = 6, rate: float = 0.5) -> Demo:
    """What each step of an unrolled run hears of the losses, on f(θ) = ½ θ² from 1.

    A reader picks the step, the weights of the losses, the learning rate, and whether dashed edges stay.
    """
    alt = (
        "A run of six steps as a graph; thick lines lead from the losses 2 to 6 back to step 1, which hears "
        "the sum of their gradients."
    )
    look_for = (
        "<b>One gradient more.</b> Pick a step, and then the one before it: it hears the same gradients and "
        "one more, the one that the rule reads right after it. Nothing but these sums is left to compute.",
        "<b>What dropping costs.</b> Keep the dashed edges: a message is now multiplied by q = 1 − α at each "
        "step that it passes. At the rate 0.5 the slope goes from −1.3 to −0.89, and asks for the same.",
        "<b>A bad pair.</b> Let the last loss count alone, and set the rate to 1.5. Every step hears one and "
        "the same gradient, and with the edges dropped the slope asks for a still longer step, although "
        "the run overshoots at each. With the edges kept it asks for a shorter one.",
    )
    return Demo("messages", "messages", alt, {"steps": steps, "rate": rate}, look_for)


def frames(
    pictures: Mapping[str, Tensor],
    losses: Mapping[str, Sequence[float]],
    steps: Sequence[int],
    *,
    alt: str,
    look_for: Sequence[str],
) -> Demo:
    """Pictures [frames, 3, height, width] that rules make of one start, side by side; a slider turns frames.

    With the loss of each at each of `steps`. At rest the frames in the middle stand there.
    """
    rules = [
        {
            "name": name,
            "colour": plots.colour(name),
            "frames": [_encoded(frame) for frame in shown],
            "losses": [float(f"{loss:.3g}") for loss in losses[name]],
        }
        for name, shown in pictures.items()
    ]
    middle = torch.cat([shown[len(shown) // 2] for shown in pictures.values()], dim=-1)
    return Demo("frames", "frames", alt, {"steps": steps, "rules": rules}, look_for, _encoded(middle))


def _settings(landscapes: Sequence[str], rules: Sequence[str], *, steps: int) -> dict[str, Any]:
    colours = {name: plots.COLOURS[name] for name in rules}
    return {"landscapes": landscapes, "rules": rules, "steps": steps, "colours": colours}


def _lstm(name: str) -> dict[str, Any]:
    """An LSTM of the zoo as the script reads it: its weights as 32-bit floats in base64, in order."""
    rule = zoo.load(name)
    if not isinstance(rule, LSTMRule):
        raise ValueError(f"the page can run the paper's LSTM alone, but {name!r} is a {type(rule).__name__}")
    if (seen := describe(rule.preprocess)) not in FEATURES:
        raise ValueError(f"the page knows the features {' and '.join(FEATURES)}, but {name!r} sees {seen}")
    weights = torch.cat([weight.flatten() for weight in rule.state_dict().values()])
    return {
        "preprocess": seen,
        "hidden": [cell.hidden_size for cell in rule.cells],
        "scale": rule.scale,
        "weights": base64.b64encode(weights.numpy().astype("<f4").tobytes()).decode(),
    }


def _encoded(picture: Tensor) -> str:
    """A picture [3, height, width] with values in [0, 1] as the address of an image."""
    file, pixels = BytesIO(), picture.detach().cpu().clamp(0, 1).mul(255).round().byte()
    Image.fromarray(pixels.movedim(0, -1).numpy()).save(file, "WEBP", quality=60, method=6)
    return _address(file.getvalue())


def _address(picture: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture).decode()}"


def _script(name: str) -> str:
    """The library, once for all demos of a page, the script, and a call that builds what is not yet built."""
    core, draw, build = (_lean(_text(f"{part}.js")) for part in ("core", "draw", name))
    return (
        f"window.l2lDemos ??= (() => {{\n{core}{draw}return {{ core, draw }};\n}})();\n{build}"
        f"document.querySelectorAll('.l2l-demo[data-script={name}]:not(.alive)').forEach(root => {{\n"
        f"root.classList.add('alive');\nl2lDemos.{name}(root);\n}});\n"
    )


def _lean(script: str) -> str:
    """A script or a style without indentation, comments, and breaks that nothing needs."""
    bare = re.sub(r"^ *((//|/\*).*)?\n|^ +| +// .*$", "", script, flags=re.MULTILINE)
    return re.sub(r"(?<=[;,{(\[])\n", "", bare)


def _has(name: str) -> bool:
    return files(__name__).joinpath(name).is_file()


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _picture(name: str) -> str:
    return _address(files(__name__).joinpath(f"{name}.webp").read_bytes())
