"""Binds public names to the tensor classes. Variables get theirs in autograd/variable.py."""
from .._ops.tensor import cpu_classes, cuda_classes, set_attribute
from ._table import METHODS


def bind_tensors():
    """Give each dense tensor class the methods that exist for its element type."""
    methods = {name: method for name, method in METHODS.items() if not all(form.of_sparse for form in method.forms)}
    for code, classes in enumerate(zip(cpu_classes(), cuda_classes())):
        for name, method in methods.items():
            if code in method.dtypes:
                for cls in classes:
                    set_attribute(cls, name, method)
