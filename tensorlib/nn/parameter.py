"""Parameter: the leaf Variable that a Module registers when it is assigned as an attribute."""
import copy

from ..autograd import Variable


class Parameter(Variable):
    """A Variable that counts as a parameter of the Module it is assigned to.

    Args:
        data (Tensor): the values, shared and not copied.
        requires_grad (bool): whether gradients are wanted; True unless told otherwise.

    A Parameter is never volatile.

    Example:
        >>> import tensorlib
        >>> from tensorlib import nn
        >>> nn.Parameter(tensorlib.ones(2)).requires_grad
        True
    """

    def __init__(self, data=None, requires_grad=True):
        if isinstance(data, Variable):
            raise RuntimeError("Variable data has to be a tensor, but got %s" % type(data).__name__)
        super().__init__(data, requires_grad=requires_grad)

    def __deepcopy__(self, memo):
        twin = memo[id(self)] = type(self)(copy.deepcopy(self.data, memo), self.requires_grad)
        return twin

    def __repr__(self):
        return "Parameter containing:" + repr(self.data)
