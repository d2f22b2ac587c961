// What a demo computes: landscapes, and the rules and the runs of l2l_lite, in double precision.
// tests/test_demos.py holds every rule on every landscape to the numbers of PyTorch.

const core = (() => {
  const zip = (a, b, f) => a.map((x, i) => f(x, b[i]));

  // Landscapes. Each is made from one number, the slider's, and has a loss, a gradient at step t, the
  // part of the plane to show, and its minima.

  const bowl = (flat, steep, degrees) => {
    const c = Math.cos(degrees * Math.PI / 180), s = Math.sin(degrees * Math.PI / 180);
    const turn = ([x, y]) => [c * x + s * y, c * y - s * x];
    const back = ([u, v]) => [c * u - s * v, c * v + s * u];
    return {
      loss(p) { const [u, v] = turn(p); return (flat * u * u + steep * v * v) / 2; },
      grad(p) { const [u, v] = turn(p); return back([flat * u, steep * v]); },
      view: [-2, 2, -2, 2], minima: [[0, 0]],
    };
  };

  const landscapes = {
    aligned: curvature => bowl(1, curvature, 0),
    quadratic: condition => bowl(1, condition, 30),
    rosenbrock: steepness => ({
      loss: ([x, y]) => (1 - x) ** 2 / 4 + steepness * (y - x * x) ** 2,
      grad([x, y]) {
        const across = 2 * steepness * (y - x * x);
        return [(x - 1) / 2 - 2 * x * across, across];
      },
      view: [-2, 2, -1, 3], minima: [[1, 1]],
    }),
    saddle: curvature => ({
      // Downhill along y, until the fourth power turns it up again: minima where y² = 2.
      loss: ([x, y]) => (curvature * x * x - y * y) / 2 + y ** 4 / 8 + 0.5,
      grad: ([x, y]) => [curvature * x, y ** 3 / 2 - y],
      view: [-2, 2, -2, 2], minima: [[0, Math.SQRT2], [0, -Math.SQRT2]],
    }),
    noisy(noise) {
      // Each step sees the bowl through another minibatch, which moves its centre.
      const still = bowl(1, 5, 30), centres = normals(2016);
      return { ...still, grad: (p, t) => still.grad(zip(p, centres(t), (x, e) => x - noise * e)) };
    },
  };

  // Numbers between 0 and 1, from a congruential generator that Python repeats.
  function uniforms(seed) {
    let state = seed;
    return () => {
      state = (Math.imul(1664525, state) + 1013904223) >>> 0;
      return (state + 0.5) / 2 ** 32;
    };
  }

  // Two normal numbers for every step t.
  function normals(seed) {
    const drawn = [], uniform = uniforms(seed);
    return t => {
      while (drawn.length <= t) {
        const radius = Math.sqrt(-2 * Math.log(uniform())), angle = 2 * Math.PI * uniform();
        drawn.push([radius * Math.cos(angle), radius * Math.sin(angle)]); // Box and Muller
      }
      return drawn[t];
    };
  }

  // Rules: `init()` gives a state, `step(grad, state)` the move and the next state.

  const rules = {
    GD: lr => ({ init: () => 0, step: (g, state) => [g.map(x => -lr * x), state] }),

    Momentum: lr => ({
      init: () => [0, 0],
      step(g, v) {
        v = zip(v, g, (v, g) => 0.9 * v + g);
        return [v.map(v => -lr * v), v];
      },
    }),

    RMSProp: lr => ({
      init: () => [0, 0],
      step(g, s) {
        s = zip(s, g, (s, g) => 0.99 * s + 0.01 * g * g);
        return [zip(g, s, (g, s) => -lr * g / (Math.sqrt(s) + 1e-8)), s];
      },
    }),

    Adam: lr => ({
      init: () => [[0, 0], [0, 0], 0],
      step(g, [m, v, t]) {
        t += 1;
        m = zip(m, g, (m, g) => 0.9 * m + 0.1 * g);
        v = zip(v, g, (v, g) => 0.999 * v + 0.001 * g * g);
        const unbiased = v.map(v => Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8);
        return [zip(m, unbiased, (m, size) => -lr * m / (1 - 0.9 ** t) / size), [m, v, t]];
      },
    }),
  };

  // The paper's rule: one LSTM, and for each coordinate a memory of its own.

  const features = {
    identity: g => [g],
    log_and_sign(g) {
      const size = Math.log(Math.max(Math.abs(g), Math.exp(-10))) / 10;
      return [size, Math.max(-1, Math.min(1, g * Math.exp(10)))];
    },
  };

  function lstm({ preprocess, hidden, scale, weights, seed }) {
    const see = features[preprocess], take = weights ? reader(weights) : untrained(seed);
    let inputs = see(0).length;
    const layers = hidden.map(units => {
      const wx = take(4 * units, inputs), wh = take(4 * units, units);
      inputs = units;
      return { units, wx, wh, bias: zip(take(1, 4 * units)[0], take(1, 4 * units)[0], (a, b) => a + b) };
    });
    const [out] = take(1, inputs), [[bias]] = take(1, 1);
    const empty = () => layers.map(({ units }) => [Array(units).fill(0), Array(units).fill(0)]);
    const move = (g, memory) => {
      let x = see(g);
      memory = layers.map((layer, k) => {
        const next = cell(layer, x, memory[k]);
        x = next[0];
        return next;
      });
      return [scale * (dot(out, x) + bias), memory];
    };
    return {
      init: () => [empty(), empty()],
      step(g, state) {
        const both = zip(g, state, move);
        return [both.map(part => part[0]), both.map(part => part[1])];
      },
    };
  }

  function cell({ units, wx, wh, bias }, x, [h, c]) {
    const z = bias.map((b, i) => dot(wx[i], x) + dot(wh[i], h) + b);
    const [i, f, g, o] = [0, 1, 2, 3].map(k => z.slice(k * units, (k + 1) * units));
    c = c.map((c, k) => sigmoid(f[k]) * c + sigmoid(i[k]) * Math.tanh(g[k]));
    return [c.map((c, k) => sigmoid(o[k]) * Math.tanh(c)), c];
  }

  const sigmoid = x => 1 / (1 + Math.exp(-x));
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

  // Matrices, one after the other, from 32-bit floats in base64.
  function reader(base64) {
    const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
    const numbers = new Float32Array(bytes.buffer);
    let at = 0;
    return (rows, columns) =>
      Array.from({ length: rows }, () => Array.from(numbers.subarray(at, at += columns)));
  }

  // Matrices that nobody trained, drawn as PyTorch's are: evenly within ±1/√20.
  function untrained(seed) {
    const uniform = uniforms(seed), draw = () => (2 * uniform() - 1) / Math.sqrt(20);
    return (rows, columns) => Array.from({ length: rows }, () => Array.from({ length: columns }, draw));
  }

  // Positions and losses of all steps. A run that leaves for good stops there.
  function run(rule, landscape, start, steps) {
    const path = [start], losses = [landscape.loss(start)];
    let theta = start, state = rule.init(), move;
    for (let t = 0; t < steps; t++) {
      [move, state] = rule.step(landscape.grad(theta, t), state);
      theta = zip(theta, move, (x, dx) => x + dx);
      if (!theta.every(x => Math.abs(x) < 1e6)) break;
      path.push(theta);
      losses.push(landscape.loss(theta));
    }
    return { path, losses, lost: path.length <= steps };
  }

  // The learning rate, of four to a decade, with the smallest last loss.
  function tune(make, landscape, start, steps) {
    const grid = Array.from({ length: 15 }, (_, k) => 10 ** (k / 4 - 3));
    const last = grid.map(lr => {
      const { losses, lost } = run(make(lr), landscape, start, steps);
      return lost ? Infinity : losses[steps];
    });
    return grid[last.indexOf(Math.min(...last))];
  }

  return { landscapes, rules, features, lstm, run, tune };
})();
