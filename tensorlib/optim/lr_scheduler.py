"""Learning rates by epoch, in closed form from the rate at the start: call `scheduler.step()` first in each epoch."""
import math
from bisect import bisect_right

from .optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LambdaLR", "MultiStepLR", "ReduceLROnPlateau", "StepLR"]


def _check_optimizer(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError("%s is not an Optimizer" % type(optimizer).__name__)


class _LRScheduler:
    """Base of the schedules: puts "initial_lr" in each group and sets the rates of epoch last_epoch + 1.

    The n-th call of step(), counted from 0, sets the rates of epoch n; step(epoch) jumps to one.

    Args:
        optimizer: the optimizer whose groups are changed.
        last_epoch: -1, or the last finished epoch when training goes on; then each group must hold "initial_lr".

    Example:
        >>> from tensorlib import optim, ones
        >>> from tensorlib.autograd import Variable
        >>> optimizer = optim.SGD([Variable(ones(1), requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> for epoch in range(4):
        ...     scheduler.step()
        ...     print(optimizer.param_groups[0]["lr"])
        1.0
        1.0
        0.5
        0.5
    """

    def __init__(self, optimizer, last_epoch=-1):
        _check_optimizer(optimizer)
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError("param 'initial_lr' is not specified in param_groups[%d] when resuming an optimizer"
                               % number)
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.step(last_epoch + 1)
        self.last_epoch = last_epoch

    def get_lr(self):
        """Return the rates of epoch `self.last_epoch`, one for each group."""
        raise NotImplementedError("%s has no get_lr()" % type(self).__name__)

    def step(self, epoch=None):
        """Set the rates of the next epoch, or of the one given."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        for group, rate in zip(self.optimizer.param_groups, self.get_lr()):
            group["lr"] = rate


class LambdaLR(_LRScheduler):
    """initial_lr * fn(epoch).

    Args:
        optimizer: the optimizer.
        lr_lambda: a function of the epoch number, or a list of them, one for each group.
        last_epoch: see the base class.
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        _check_optimizer(optimizer)
        groups = len(optimizer.param_groups)
        if not isinstance(lr_lambda, (list, tuple)):
            lr_lambda = [lr_lambda] * groups
        elif len(lr_lambda) != groups:
            raise ValueError("Expected %d lr_lambdas, but got %d" % (groups, len(lr_lambda)))
        self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [rate * fn(self.last_epoch) for fn, rate in zip(self.lr_lambdas, self.base_lrs)]


class StepLR(_LRScheduler):
    """initial_lr * gamma ** (epoch // step_size)."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [rate * factor for rate in self.base_lrs]


class MultiStepLR(_LRScheduler):
    """initial_lr * gamma ** (number of milestones reached); milestones must increase."""

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        if list(milestones) != sorted(milestones):
            raise ValueError("Milestones should be a list of increasing integers. Got %s" % (milestones,))
        self.milestones = milestones
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [rate * factor for rate in self.base_lrs]


class ExponentialLR(_LRScheduler):
    """initial_lr * gamma ** epoch."""

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [rate * self.gamma ** self.last_epoch for rate in self.base_lrs]


class CosineAnnealingLR(_LRScheduler):
    """Half a cosine from initial_lr at epoch 0 down to eta_min at epoch T_max.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2016, without restarts.
    """

    def __init__(self, optimizer, T_max, eta_min=0, last_epoch=-1):
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        part = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (rate - self.eta_min) * part for rate in self.base_lrs]


class ReduceLROnPlateau:
    """Multiply the rates by `factor` after more than `patience` epochs without a better metric.

    Args:
        optimizer: the optimizer.
        mode: "min" or "max": whether a smaller or a larger metric is better.
        factor: below 1.
        patience: bad epochs that are borne.
        verbose: print each change.
        threshold: how much better counts as better.
        threshold_mode: "rel" (a part of the best) or "abs".
        cooldown: epochs after a change in which none is counted as bad.
        min_lr: lowest rate, one number or one for each group.
        eps: a change of the rate that is not larger is not made.

    Example:
        >>> from tensorlib import optim, ones
        >>> from tensorlib.autograd import Variable
        >>> optimizer = optim.SGD([Variable(ones(1), requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
        >>> for validation_loss in [3.0, 2.0, 2.0, 2.0]:
        ...     scheduler.step(validation_loss)
        >>> optimizer.param_groups[0]["lr"]
        0.5
    """

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, verbose=False, threshold=1e-4,
                 threshold_mode="rel", cooldown=0, min_lr=0, eps=1e-8):
        _check_optimizer(optimizer)
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0, but got %s" % factor)
        if mode not in ("min", "max"):
            raise ValueError("mode %s is unknown: expected min or max" % mode)
        if threshold_mode not in ("rel", "abs"):
            raise ValueError("threshold mode %s is unknown: expected rel or abs" % threshold_mode)
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError("expected %d min_lrs, got %d" % (groups, len(self.min_lrs)))
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = -1
        self.cooldown_counter = 0
        self.num_bad_epochs = 0
        self.best = math.inf if mode == "min" else -math.inf

    def step(self, metrics, epoch=None):
        """Count one epoch of the value `metrics`; call it after training and validation."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(metrics, self.best):
            self.best = metrics
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr(self.last_epoch)
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    @property
    def in_cooldown(self):
        """Whether bad epochs are not counted now."""
        return self.cooldown_counter > 0

    def is_better(self, a, best):
        """Whether `a` is better than `best` by more than the threshold."""
        margin = self.threshold if self.mode == "max" else -self.threshold
        limit = best * (1 + margin) if self.threshold_mode == "rel" else best + margin
        return a > limit if self.mode == "max" else a < limit

    def _reduce_lr(self, epoch):
        for number, (group, lowest) in enumerate(zip(self.optimizer.param_groups, self.min_lrs)):
            old = float(group["lr"])
            new = max(old * self.factor, lowest)
            if old - new > self.eps:
                group["lr"] = new
                if self.verbose:
                    print("Epoch {:5d}: reducing learning rate of group {} to {:.4e}.".format(epoch, number, new))
