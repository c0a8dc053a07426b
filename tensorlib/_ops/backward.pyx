"""The walk back through the graph: gradients from outputs to leaves.

A loop over nodes whose gradients have all come, so that depth costs no stack; saved values go as it passes.
Gradients are raw Tensors, or Variables where the walk itself is recorded.
"""
import os
from threading import Lock, get_ident

from cpython.object cimport PyObject

from .copying import dense_copy, filled_like
from .engine cimport FunctionNode, Node, VariableBase, engine_row, wrap
from .sparse cimport SparseTensor, geometry
from .sparse cimport exclusive as exclusive_sparse
from .storage cimport RESIZABLE
from .tensor cimport TensorBase, device_name, is_contiguous, same_size, size_text, type_name

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject* o)
    object PyNumber_InPlaceAdd(object a, object b)


cdef object accumulating = Lock()       # held while a leaf's gradient changes: kernels let other threads go on


def _after_fork():
    global accumulating
    accumulating = Lock()               # the thread that held the old one does not exist in the child


os.register_at_fork(after_in_child=_after_fork)


cdef class Walk:
    """One run of backward: how many gradients each node still waits for, and those that have come."""
    cdef dict waiting               # node or leaf -> gradients that have not come yet
    cdef dict arrived               # node -> list of gradients by output; leaf -> gradient
    cdef dict captured              # (node, output) or leaf -> positions in `found`, for autograd.grad
    cdef list found
    cdef list callbacks             # to be called at the end
    cdef bint graph, retain, into_leaves

    cdef int count(self, list starts) except -1:
        """Count, for everything reachable, how many gradients will come."""
        cdef list stack = list(starts)
        cdef set seen = set(stack)
        cdef Node node
        while stack:
            node = <Node>stack.pop()
            for target in node.targets:
                if target is None:
                    continue
                self.waiting[target] = self.waiting.get(target, 0) + 1
                if isinstance(target, Node) and target not in seen:
                    seen.add(target)
                    stack.append(target)
        return 0

    cdef int receive(self, object target, int slot, object g) except -1:
        """Add a gradient to what has arrived for a node's output or a leaf."""
        cdef list outputs
        if g is None:
            return 0
        if not isinstance(g, VariableBase if self.graph else TensorBase):
            raise RuntimeError("expected a gradient that is a %s, but got %s"
                               % ("Variable" if self.graph else "Tensor", type(g).__name__))
        if not isinstance(target, Node):
            self.arrived[target] = sum_of(self.arrived.pop(target, None), g, self.graph)
            return 0
        outputs = <list>self.arrived.get(target)
        if outputs is None:
            outputs = [None] * (<Node>target).n_outputs
            self.arrived[target] = outputs
        if outputs[slot] is None:
            outputs[slot] = g
        else:
            earlier, outputs[slot] = outputs[slot], None
            outputs[slot] = sum_of(earlier, g, self.graph)
        return 0

    cdef int go(self, list ready) except -1:
        """Visit nodes whose gradients have all come, until none is left."""
        cdef list grads
        cdef Node node
        cdef Py_ssize_t e
        while ready:
            here = ready.pop()
            if not isinstance(here, Node):
                self.finish_leaf(<VariableBase>here)
                continue
            node = <Node>here
            here = None
            grads = <list>self.arrived.pop(node, None)
            if grads is not None:
                grads = self.visit(node, grads)
            for e in range(len(node.targets)):
                target = node.targets[e]
                if target is None:
                    continue
                if grads is not None:
                    g, grads[e] = grads[e], None
                    self.receive(target, node.slots[e], g)
                    g = None
                left = self.waiting[target] - 1
                self.waiting[target] = left
                if left == 0:
                    ready.append(target)
        return 0

    cdef list visit(self, Node node, list grads):
        """Hooks, the formulas, hooks again."""
        cdef list result
        cdef int i
        if node.pre_hooks:
            for i, hooks in node.pre_hooks.items():
                if grads[i] is not None:
                    grads[i] = call_hooks(hooks, grads[i], self.graph)
        if self.captured is not None:
            for i in range(len(grads)):
                self.capture((node, i), grads[i])
        result = node.apply_to(grads, self.graph)
        if node.post_hooks:
            result = call_post_hooks(node, result, grads, self.graph)
        if not self.retain:
            node.release()
        return result

    cdef int capture(self, object key, object g) except -1:
        for place in self.captured.get(key, ()):
            self.found[place] = g
        return 0

    cdef int finish_leaf(self, VariableBase v) except -1:
        if v not in self.arrived:
            return 0
        if self.captured is not None and v in self.captured:
            self.capture(v, self.arrived.pop(v))
            return 0
        if not self.into_leaves:
            return 0
        if v._backward_hooks:
            self.arrived[v] = call_hooks(v._backward_hooks, self.arrived.pop(v), self.graph)
        g = self.arrived.pop(v)
        with accumulating:
            accumulate(v, g, self.graph)
        if v._accumulated_hooks:
            for hook in list(v._accumulated_hooks.values()):
                hook((), (as_variable(g, self.graph),))
        return 0


cdef object sum_of(object a, object b, bint graph):
    """a + b for two gradients; a may be None, and is changed in place where nobody else has it."""
    if a is None:
        return b
    if graph:
        return engine_row("add").call((a, b))
    # The caller's reference is the only one: nobody else can see the change.
    if (Py_REFCNT(<PyObject*>a) == 1 and exclusive(<TensorBase>a, 1)
            and ((<TensorBase>b).sparse or not (<TensorBase>a).sparse)
            and same_size(geometry(<TensorBase>a), geometry(<TensorBase>b))):
        return PyNumber_InPlaceAdd(a, b)
    return a + b


cdef bint exclusive(TensorBase g, Py_ssize_t references):
    """Whether nobody but the caller's references holds this tensor and its memory (no array of NumPy either)."""
    if g.sparse:
        return exclusive_sparse(<SparseTensor>g, references)
    return (Py_REFCNT(<PyObject*>g) <= references and Py_REFCNT(<PyObject*>g.store) == 1
            and (g.store.owner is None or g.device >= 0 and g.store.flags & RESIZABLE)      # no view of another storage
            and is_contiguous(g) and g.store.size == g.numel_)


cdef int accumulate(VariableBase v, object g, bint graph) except -1:
    """Add a gradient to .grad of a leaf; the first one is taken over, not copied, where nobody else has it."""
    cdef TensorBase t = (<VariableBase>g).data_ if graph else <TensorBase>g
    cdef VariableBase earlier = v.grad_     # user code in another thread may replace it meanwhile
    if t.dtype != v.data_.dtype or t.device != v.data_.device:
        raise RuntimeError("expected a gradient of type %s, but got %s" % (device_name(v.data_), device_name(t)))
    if not same_size(geometry(t), geometry(v.data_)):
        raise RuntimeError("expected a gradient of size [%s], but got [%s]"
                           % (size_text(geometry(v.data_)), size_text(geometry(t))))
    if earlier is None:
        if graph:
            known = <VariableBase>g if (<VariableBase>g).fn is not None else engine_row("clone").call((g,))
            v.grad_ = known
        else:
            v.grad_ = wrap(t if exclusive(t, 2) else (<SparseTensor>t).clone() if t.sparse else dense_copy(t))
            v.grad_.volatile_ = True
    elif earlier.volatile_ or not graph:
        if earlier.data_.sparse and not t.sparse:
            earlier.data_ = <TensorBase>(<object>t + earlier.data_)     # the sum is dense
        else:
            PyNumber_InPlaceAdd(earlier.data_, t)
    else:
        v.grad_ = engine_row("add").call((earlier, g))
    return 0


cdef object as_variable(object g, bint graph):
    cdef VariableBase v
    if graph or g is None:
        return g
    v = wrap(<TensorBase>g)
    v.volatile_ = True
    return v


cdef str hook_name(hook):
    return getattr(hook, "__name__", type(hook).__name__)


cdef object call_hooks(hooks, object g, bint graph):
    """Pass a gradient through hooks; each may give another of same type and size."""
    cdef TensorBase before, after
    v = as_variable(g, graph)
    for hook in list(hooks.values()):
        result = hook(v)
        if result is None:
            continue
        if not isinstance(result, VariableBase):
            raise TypeError("expected Variable, but hook returned '%s'"
                            % (type_name(result) if isinstance(result, TensorBase) else type(result).__name__))
        before, after = (<VariableBase>v).data_, (<VariableBase>result).data_
        if before.dtype != after.dtype or before.device != after.device or before.sparse != after.sparse:
            raise RuntimeError("hook '%s' has changed the type of value (was %s got %s)"
                               % (hook_name(hook), type_name(before), type_name(after)))
        if not same_size(geometry(before), geometry(after)):
            raise RuntimeError("hook '%s' has changed the size of value" % hook_name(hook))
        v = result
    return v if graph else (<VariableBase>v).data_


cdef list call_post_hooks(Node node, list result, list grads, bint graph):
    """Let the hooks of a function see, and replace, what it gives its inputs."""
    values = tuple([as_variable(g, graph) for g in result])
    outputs = tuple([as_variable(g, graph) for g in grads])
    for hook in list(node.post_hooks.values()):
        changed = hook(values, outputs)
        if changed is None:
            continue
        if not isinstance(changed, tuple):
            raise TypeError("expected tuple, but hook returned '%s'" % type(changed).__name__)
        if len(changed) != len(values):
            raise RuntimeError("hook '%s' has returned an incorrect number of values (got %d, but expected %d)"
                               % (hook_name(hook), len(changed), len(values)))
        for value in changed:
            if value is not None and not isinstance(value, VariableBase):
                raise TypeError("expected Variable, but hook returned '%s'" % type(value).__name__)
        values = changed
    return [v if graph or v is None else (<VariableBase>v).data_ for v in values]


cdef dict walks = {}                # thread -> the Walk it is in


cdef int walk_to_the_end(Walk walk, list ready) except -1:
    """Visit all nodes, then call what was queued meanwhile. A formula may begin another walk inside."""
    thread = get_ident()
    outer = walks.get(thread)
    walks[thread] = walk
    try:
        walk.go(ready)
        while walk.callbacks:
            walk.callbacks.pop(0)()
    finally:
        if outer is None:
            del walks[thread]
        else:
            walks[thread] = outer
    return 0


def queue_callback(callback):
    """Let callback() be called at the end of the backward that this thread is in.

    Raises:
        RuntimeError: it is in none.
    """
    cdef Walk walk = walks.get(get_ident())
    if walk is None:
        raise RuntimeError("queue_callback() can be called during backward only: from a hook or a Function")
    if walk.callbacks is None:
        walk.callbacks = []
    walk.callbacks.append(callback)


cdef bint begins(VariableBase v):
    """Whether backward may begin at v."""
    return v.requires_grad_ or isinstance(v.fn, FunctionNode) and (<FunctionNode>v.fn).stochastic


def run_backward(tuple variables, list grads, bint retain, bint graph, tuple inputs=None, bint into_leaves=True):
    """Send gradients back from variables.

    Args: the Variables; a gradient for each (raw Tensors, or Variables if graph); whether saved values stay; whether
    the walk itself is recorded; Variables whose gradients are wanted as result; whether leaves accumulate.
    Returns: a list of gradients (Variables) for inputs, None where no gradient came.
    """
    cdef Walk walk = Walk.__new__(Walk)
    cdef VariableBase v
    cdef list starts = [], ready = []
    cdef set seen = set()           # not `in ready`: that would compare Variables, element by element
    walk.waiting, walk.arrived, walk.graph, walk.retain, walk.into_leaves = {}, {}, graph, retain, into_leaves
    if inputs is not None:
        walk.captured, walk.found = {}, [None] * len(inputs)
        for i, v in enumerate(inputs):
            walk.captured.setdefault(v if v.fn is None else (v.fn, v.output_nr), []).append(i)
    for v in variables:
        if begins(v) and v.fn is not None and v.fn not in seen:
            seen.add(v.fn)
            starts.append(v.fn)
    walk.count(starts)
    for v, g in zip(variables, grads):
        if v.requires_grad_:
            walk.receive(v.fn if v.fn is not None else v, v.output_nr, g)
        elif begins(v):
            walk.arrived[v.fn] = [None] * v.fn.n_outputs
    g = None
    del grads[:]
    seen.clear()
    for v in variables:
        target = v.fn if v.fn is not None else v
        if begins(v) and walk.waiting.get(target, 0) == 0 and target not in seen:
            seen.add(target)
            ready.append(target)
    target = None
    seen.clear()
    walk_to_the_end(walk, ready)
    return [as_variable(g, graph) for g in walk.found] if inputs is not None else None


def backward_from_number(VariableBase v not None, bint retain):
    """Send the gradient 1 back from a Variable of one element, the usual case. Return whether v is such a case."""
    if not v.requires_grad_ or v.volatile_ or v.data_.numel_ != 1 or (
            isinstance(v.fn, FunctionNode) and (<FunctionNode>v.fn).stochastic):
        return False
    run_backward((v,), [filled_like(v.data_, 1)], retain, False)
    return True
