"""Steps of the optimizers: the twins of _ops/optim.pyx."""
import math

from ..._ops.copying import copy_, make_contiguous
from ..._ops.tensor import code_of, device_of
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from .reduce import need_real

STATES, NUMBERS = 5, 6          # of the struct Step in optim.cu
program = Program("optim")


def take_step(name, tensors, numbers, grad_changes=False):
    """Run the kernel on (param, grad, state...), where a state may be None."""
    param = tensors[0]
    need_real(param, name + "_step")
    for i, t in enumerate(tensors):
        if t is None:
            continue
        if code_of(t) != code_of(param):
            raise TypeError("%s_step(): parameter is a %s, but tensor %d a %s" % (name, param.type(), i, t.type()))
        if t.numel() != param.numel():
            raise RuntimeError("%s_step(): parameter of size %s, but tensor %d of size %s"
                               % (name, tuple(param.size()), i, tuple(t.size())))
    if param.numel() == 0:
        return
    used = [None if t is None else make_contiguous(t) for t in tensors]
    states = [0 if t is None else t for t in used] + [0] * (STATES - len(used))
    launch(program, "%s_%s" % (name, NAMES[code_of(param)]), device_of(param), "q%dP%dd" % (STATES, NUMBERS),
           grid_for(device_of(param), param.numel()), THREADS, param.numel(), *states, *numbers,
           *[0.0] * (NUMBERS - len(numbers)))
    for i, (t, dense) in enumerate(zip(tensors, used)):
        if dense is not t and (i != 1 or grad_changes):
            copy_(t, dense)


def sgd_step(param, grad, momentum_buffer, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False, first=False):
    take_step("sgd", (param, grad, momentum_buffer), (lr, momentum, dampening, weight_decay, nesterov, first),
              weight_decay != 0)


def adam_step(param, grad, exp_avg, exp_avg_sq, lr, beta1, beta2, eps, weight_decay, step):
    rate = lr * math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step)
    take_step("adam", (param, grad, exp_avg, exp_avg_sq), (rate, beta1, beta2, eps, weight_decay))


def adamax_step(param, grad, exp_avg, exp_inf, lr, beta1, beta2, eps, weight_decay, step):
    take_step("adamax", (param, grad, exp_avg, exp_inf), (lr / (1 - beta1 ** step), beta1, beta2, eps, weight_decay))


def adagrad_step(param, grad, sum, lr, lr_decay, weight_decay, step):
    take_step("adagrad", (param, grad, sum), (lr / (1 + (step - 1) * lr_decay), weight_decay))


def adadelta_step(param, grad, square_avg, acc_delta, lr, rho, eps, weight_decay):
    take_step("adadelta", (param, grad, square_avg, acc_delta), (lr, rho, eps, weight_decay))


def rmsprop_step(param, grad, square_avg, grad_avg, momentum_buffer, lr, alpha, eps, weight_decay, momentum):
    take_step("rmsprop", (param, grad, square_avg, grad_avg, momentum_buffer),
              (lr, alpha, eps, weight_decay, momentum))


def asgd_step(param, grad, ax, lambd, eta, mu, weight_decay):
    take_step("asgd", (param, grad, ax), (lambd, eta, mu, weight_decay))


def rprop_step(param, grad, prev, step_size, eta_minus, eta_plus, step_min, step_max):
    take_step("rprop", (param, grad, prev, step_size), (eta_minus, eta_plus, step_min, step_max))
