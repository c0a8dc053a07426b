"""The fused steps of the optimizers against their rules in NumPy, on dense and strided tensors."""
import numpy as np
import pytest
from op_checks import FLOATS, TOLERANCE, close, tensor

from tensorlib._ops import optim as steps


def sgd(p, g, buf, lr, momentum, dampening, decay, nesterov, first):
    g[:] += decay * p
    buf[:] = g if first else momentum * buf + (1 - dampening) * g
    p -= lr * (g + momentum * buf if nesterov else buf)


def adam(p, g, m, v, lr, b1, b2, eps, decay, t):
    d = g + decay * p
    m[:], v[:] = b1 * m + (1 - b1) * d, b2 * v + (1 - b2) * d * d
    p -= lr * np.sqrt(1 - b2 ** t) / (1 - b1 ** t) * m / (np.sqrt(v) + eps)


def adamax(p, g, m, u, lr, b1, b2, eps, decay, t):
    d = g + decay * p
    m[:], u[:] = b1 * m + (1 - b1) * d, np.maximum(b2 * u, np.abs(d) + eps)
    p -= lr / (1 - b1 ** t) * m / u


def adagrad(p, g, total, lr, lr_decay, decay, t):
    d = g + decay * p
    total += d * d
    p -= lr / (1 + (t - 1) * lr_decay) * d / (np.sqrt(total) + 1e-10)


def adadelta(p, g, v, acc, lr, rho, eps, decay):
    d = g + decay * p
    v[:] = rho * v + (1 - rho) * d * d
    d = np.sqrt(acc + eps) / np.sqrt(v + eps) * d
    p -= lr * d
    acc[:] = rho * acc + (1 - rho) * d * d


def rmsprop(p, g, v, mean, buf, lr, alpha, eps, decay, momentum):
    d = g + decay * p
    v[:] = alpha * v + (1 - alpha) * d * d
    mean[:] = alpha * mean + (1 - alpha) * d
    buf[:] = momentum * buf + d / (np.sqrt(v - mean * mean) + eps)
    p -= lr * buf


def asgd(p, g, ax, lambd, eta, mu, decay):
    d = g + decay * p
    p[:] = (1 - lambd * eta) * p - eta * d
    ax += mu * (p - ax)


def rprop(p, g, prev, size, less, more, least, most):
    turn = g * prev
    size[:] = np.clip(size * np.where(turn > 0, more, np.where(turn < 0, less, 1)), least, most)
    prev[:] = np.where(turn < 0, 0, g)
    p -= np.sign(prev) * size


STEPS = [           # kernel, rule, number of tensors, the other arguments
    (steps.sgd_step, sgd, 3, (0.1, 0.9, 0.2, 0.01, False, False)),
    (steps.sgd_step, sgd, 3, (0.1, 0.9, 0, 0, True, True)),
    (steps.adam_step, adam, 4, (0.1, 0.9, 0.99, 1e-8, 0.01, 3)),
    (steps.adamax_step, adamax, 4, (0.1, 0.9, 0.99, 1e-8, 0, 2)),
    (steps.adagrad_step, adagrad, 3, (0.1, 0.01, 0.02, 4)),
    (steps.adadelta_step, adadelta, 4, (1.0, 0.9, 1e-6, 0.01)),
    (steps.rmsprop_step, rmsprop, 5, (0.1, 0.9, 1e-8, 0.01, 0.8)),
    (steps.asgd_step, asgd, 3, (0.01, 0.1, 0.3, 0.01)),
    (steps.asgd_step, asgd, 3, (0.01, 0.1, 1, 0)),
    (steps.rprop_step, rprop, 4, (0.5, 1.2, 1e-6, 50)),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("step, rule, count, numbers", STEPS)
@pytest.mark.parametrize("size", [(1,), (3, 5), (200, 301)])
def test_optimizer_step(size, step, rule, count, numbers, strided, dtype):
    rng = np.random.RandomState(17)
    arrays = [rng.randn(*size), rng.randn(*size)] + [rng.rand(*size) + 0.1 for _ in range(count - 2)]
    if count == 5:                                  # the square of a mean stays below the mean of squares
        arrays[2] += 2
    arrays = [a.astype(dtype) for a in arrays]
    if rule is rprop:
        arrays[2] *= np.where(rng.rand(*size) < 0.5, -1, 1).astype(dtype)
    tensors = [tensor(a, strided and i % 2 == 0) for i, a in enumerate(arrays)]
    wide = [a.astype(np.float64) for a in arrays]
    rule(*wide, *numbers)
    step(*tensors, *numbers)
    for got, want in zip(tensors, wide):
        close(got.contiguous(), want, TOLERANCE[dtype])


def test_optimizer_steps_without_state():
    p, g = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    plain = tensor(p)
    steps.sgd_step(plain, tensor(g), None, 0.1)
    close(plain, p - 0.1 * g, 1e-15)
    plain, v = tensor(p), tensor(np.zeros(2))
    steps.rmsprop_step(plain, tensor(g), v, None, None, 0.1, 0.9, 1e-8, 0, 0)
    close(plain, p - 0.1 * g / (np.sqrt(0.1 * g * g) + 1e-8), 1e-12)


def test_optimizer_step_errors():
    p = tensor(np.zeros(3))
    with pytest.raises(TypeError):
        steps.sgd_step(p, p.float(), None, 0.1)
    with pytest.raises(RuntimeError):
        steps.sgd_step(p, tensor(np.zeros(2)), None, 0.1)
