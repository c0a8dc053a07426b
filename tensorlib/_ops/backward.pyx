"""The walk back through the graph: gradients from outputs to leaves.

A loop over nodes whose gradients have all come, so that depth costs no stack; saved values go as it passes.
Gradients are raw Tensors, or Variables where the walk itself is recorded.
"""
import os

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.pythread cimport (NOWAIT_LOCK, WAIT_LOCK, PyThread_acquire_lock, PyThread_allocate_lock,
                               PyThread_release_lock, PyThread_type_lock)
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from .copying cimport fill
from .copying import dense_copy
from .node cimport FunctionNode, Node, slot_of, to_dense
from .row cimport row_named
from .sparse cimport SparseTensor, geometry
from .sparse cimport exclusive as exclusive_sparse
from .storage cimport RESIZABLE
from .tensor cimport TensorBase, device_name, empty_like, is_contiguous, same_size, size_text, type_name
from .variable cimport VariableBase, holds_sparse, wrap

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject* o)
    object PyNumber_InPlaceAdd(object a, object b)

cdef extern from *:
    """
    static __thread PyObject* tl_walk = NULL;
    """
    PyObject* current_walk "tl_walk"        # the Walk that this thread is in

# Held while a leaf's gradient changes: kernels let other threads go on.
cdef PyThread_type_lock accumulating = PyThread_allocate_lock()


def _after_fork():
    global accumulating
    accumulating = PyThread_allocate_lock()     # the thread that held the old one does not exist in the child


os.register_at_fork(after_in_child=_after_fork)


cdef enum:
    FEW = 16                    # places in a table, and on a stack, that need no memory of their own


cdef struct Stop:
    PyObject* key               # a node or a leaf, owned; NULL where the place is free
    Py_ssize_t waiting          # gradients that have not come yet
    PyObject* arrived           # owned: the gradient, a list of them where there are several outputs, or NULL


cdef class Walk:
    """One run of backward: how many gradients each node still waits for, and those that have come.

    That stands in a hash table of its own: walks of other threads, and inside formulas, may be in the same graph.
    """
    cdef Stop* stops            # open addressing by the address of the key; at most half full
    cdef uint64_t mask          # number of places less one
    cdef Py_ssize_t used
    cdef PyObject** stack       # nodes and leaves to go to, borrowed from the table
    cdef Py_ssize_t depth, room
    cdef dict captured          # (node, output) or leaf -> positions in `found`, for autograd.grad
    cdef list found
    cdef list callbacks         # to be called at the end
    cdef bint graph, retain, into_leaves
    cdef Stop few_stops[FEW]
    cdef PyObject* few_targets[FEW]

    def __cinit__(self):
        self.stops, self.mask = self.few_stops, FEW - 1
        self.stack, self.room = self.few_targets, FEW

    def __dealloc__(self):
        cdef uint64_t i
        for i in range(self.mask + 1):
            Py_XDECREF(self.stops[i].key)
            Py_XDECREF(self.stops[i].arrived)
        if self.stops != self.few_stops:
            PyMem_Free(self.stops)
        if self.stack != self.few_targets:
            PyMem_Free(self.stack)

    # ---- the table and the stack ----

    cdef inline Stop* find(self, PyObject* key) noexcept:
        """The place of key, or the free place where it belongs."""
        cdef uint64_t i = (<uint64_t><size_t>key >> 4) * <uint64_t>0x9E3779B97F4A7C15 >> 20 & self.mask
        while self.stops[i].key != NULL and self.stops[i].key != key:
            i = (i + 1) & self.mask
        return &self.stops[i]

    cdef Stop* enter(self, PyObject* key) except NULL:
        """The place of key, which is put in if it is not there."""
        cdef Stop* old = self.stops
        cdef Stop* stop = self.find(key)
        cdef uint64_t i, size = self.mask + 1
        if stop.key != NULL:
            return stop
        if 2 * <uint64_t>self.used >= size:
            self.stops = <Stop*>PyMem_Calloc(4 * size, sizeof(Stop))
            if self.stops == NULL:
                self.stops = old
                raise MemoryError()
            self.mask = 4 * size - 1
            for i in range(size):
                if old[i].key != NULL:
                    self.find(old[i].key)[0] = old[i]
            if old != self.few_stops:
                PyMem_Free(old)
            stop = self.find(key)
        Py_INCREF(<object>key)
        stop.key = key
        self.used += 1
        return stop

    cdef int push(self, PyObject* target) except -1:
        cdef PyObject** more
        if self.depth == self.room:
            more = <PyObject**>PyMem_Calloc(2 * self.room, sizeof(PyObject*))
            if more == NULL:
                raise MemoryError()
            memcpy(more, self.stack, self.room * sizeof(PyObject*))
            if self.stack != self.few_targets:
                PyMem_Free(self.stack)
            self.stack, self.room = more, 2 * self.room
        self.stack[self.depth] = target
        self.depth += 1
        return 0

    cdef int plant(self, Node start) except -1:
        """Let counting begin at a node."""
        if self.find(<PyObject*>start).key == NULL:
            self.enter(<PyObject*>start)
            self.push(<PyObject*>start)
        return 0

    # ---- there and back ----

    cdef int count(self) except -1:
        """Count, for everything reachable, how many gradients will come."""
        cdef Node node
        cdef Stop* stop
        cdef Py_ssize_t before
        while self.depth:
            self.depth -= 1
            node = <Node>self.stack[self.depth]
            for target in node.targets:
                if target is None:
                    continue
                before = self.used
                stop = self.enter(<PyObject*>target)
                stop.waiting += 1
                if self.used > before and isinstance(target, Node):
                    self.push(<PyObject*>target)
        return 0

    cdef int receive(self, Stop* stop, int slot, object g) except -1:
        """Add a gradient to what has arrived for a node's output or a leaf."""
        cdef object target = <object>stop.key
        cdef list outputs
        if g is None:
            return 0
        if not isinstance(g, VariableBase if self.graph else TensorBase):
            raise RuntimeError("expected a gradient that is a %s, but got %s"
                               % ("Variable" if self.graph else "Tensor", type(g).__name__))
        if isinstance(target, Node) and (<Node>target).n_outputs > 1:
            if stop.arrived == NULL:
                hold(stop, [None] * (<Node>target).n_outputs)
            outputs = <list>stop.arrived
            if outputs[slot] is None:
                outputs[slot] = g
            else:
                known, outputs[slot] = outputs[slot], None
                outputs[slot] = sum_of(known, g, self.graph)
        elif stop.arrived == NULL:
            hold(stop, g)
        else:
            known = take(stop)
            hold(stop, sum_of(known, g, self.graph))
        return 0

    cdef int go(self) except -1:
        """Visit what all gradients have come for, until nothing is left."""
        cdef Node node
        cdef Stop* stop
        while self.depth:
            self.depth -= 1
            stop = self.find(self.stack[self.depth])
            here = <object>stop.key
            if not isinstance(here, Node):
                self.finish_leaf(<VariableBase>here, stop)
                continue
            node = <Node>here
            here = None
            if stop.arrived == NULL:
                self.leave(node, None)
            elif (node.output_like is None and node.pre_hooks is None and node.post_hooks is None
                    and self.captured is None and not isinstance(node, FunctionNode) and node.op.joint is None):
                self.pass_through(node, take(stop))
            else:
                self.leave(node, self.visit(node, take(stop)))
        return 0

    cdef int pass_through(self, Node node, object g) except -1:
        """The usual node: one output, a formula for each edge, and nobody looks on."""
        cdef Py_ssize_t e
        node.check_usable()
        if holds_sparse(g):
            g = to_dense(g)                     # formulas are written for dense gradients
        for e in range(len(node.targets)):
            if node.targets[e] is not None:
                self.arrive(node, e, node.gradient(e, g, None, self.graph))
        if not self.retain:
            node.release()
        return 0

    cdef int leave(self, Node node, list grads) except -1:
        """Send gradients along all edges of a node; None for all where none had come."""
        cdef Py_ssize_t e
        for e in range(len(node.targets)):
            if node.targets[e] is None:
                continue
            g = None
            if grads is not None:
                g, grads[e] = grads[e], None
            self.arrive(node, e, g)
        return 0

    cdef int arrive(self, Node node, Py_ssize_t e, object g) except -1:
        """A gradient reaches the target of an edge, which is next if it waited for no other."""
        cdef Stop* stop = self.enter(<PyObject*>node.targets[e])
        if stop.waiting == 0:
            stop.waiting = 1                # it came into being since counting: see spell_out in node.pyx
        self.receive(stop, slot_of(node, e), g)
        stop.waiting -= 1
        if stop.waiting == 0:
            self.push(stop.key)
        return 0

    cdef list visit(self, Node node, object arrived):
        """Hooks, the formulas, hooks again."""
        cdef list result, grads = <list>arrived if node.n_outputs > 1 else [arrived]
        cdef int i
        arrived = None
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

    cdef int finish_leaf(self, VariableBase v, Stop* stop) except -1:
        if stop.arrived == NULL:
            return 0
        if self.captured is not None and v in self.captured:
            self.capture(v, take(stop))
            return 0
        if not self.into_leaves:
            return 0
        g = take(stop)
        if v._backward_hooks:
            g = call_hooks(v._backward_hooks, g, self.graph)
        if not PyThread_acquire_lock(accumulating, NOWAIT_LOCK):
            with nogil:
                PyThread_acquire_lock(accumulating, WAIT_LOCK)
        try:
            accumulate(v, g, self.graph)
        finally:
            PyThread_release_lock(accumulating)
        if v._accumulated_hooks:
            for hook in list(v._accumulated_hooks.values()):
                hook((), (as_variable(g, self.graph),))
        return 0


cdef inline int hold(Stop* stop, object g) except -1:
    """Keep g as what has arrived."""
    Py_INCREF(g)
    stop.arrived = <PyObject*>g
    return 0


cdef inline object take(Stop* stop):
    """What has arrived, which the stop lets go of."""
    g = <object>stop.arrived
    Py_XDECREF(stop.arrived)
    stop.arrived = NULL
    return g


cdef object sum_of(object a, object b, bint graph):
    """a + b for two gradients; a may be None, and is changed in place where nobody else has it."""
    if a is None:
        return b
    if graph:
        return row_named("add")(a, b)
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
            known = <VariableBase>g if (<VariableBase>g).fn is not None else row_named("clone")(g)
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
        v.grad_ = row_named("add")(earlier, g)
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


cdef int walk_to_the_end(Walk walk) except -1:
    """Visit all nodes, then call what was queued meanwhile. A formula may begin another walk inside."""
    global current_walk
    cdef PyObject* outer = current_walk
    current_walk = <PyObject*>walk
    try:
        walk.go()
        while walk.callbacks:
            walk.callbacks.pop(0)()
    finally:
        current_walk = outer
    return 0


def queue_callback(callback):
    """Let callback() be called at the end of the backward that this thread is in.

    Raises:
        RuntimeError: it is in none.
    """
    cdef Walk walk
    if current_walk == NULL:
        raise RuntimeError("queue_callback() can be called during backward only: from a hook or a Function")
    walk = <Walk>current_walk
    if walk.callbacks is None:
        walk.callbacks = []
    walk.callbacks.append(callback)


cdef bint begins(VariableBase v):
    """Whether backward may begin at v."""
    return v.requires_grad_ or isinstance(v.fn, FunctionNode) and (<FunctionNode>v.fn).stochastic


cdef inline PyObject* end_of(VariableBase v):
    """Where the gradient of v goes: the node that made it, or v itself."""
    return <PyObject*>v.fn if v.fn is not None else <PyObject*>v


def run_backward(tuple variables, list grads, bint retain, bint graph, tuple inputs=None, bint into_leaves=True):
    """Send gradients back from variables.

    Args: the Variables; a gradient for each (raw Tensors, or Variables if graph); whether saved values stay; whether
    the walk itself is recorded; Variables whose gradients are wanted as result; whether leaves accumulate.
    Returns: a list of gradients (Variables) for inputs, None where no gradient came.
    """
    return walk_back(variables, grads, retain, graph, inputs, into_leaves)


cdef list walk_back(tuple variables, list grads, bint retain, bint graph, tuple inputs, bint into_leaves):
    cdef Walk walk = Walk.__new__(Walk)
    cdef VariableBase v
    cdef Stop* stop
    cdef Py_ssize_t i
    walk.graph, walk.retain, walk.into_leaves = graph, retain, into_leaves
    if inputs is not None:
        walk.captured, walk.found = {}, [None] * len(inputs)
        for i, v in enumerate(inputs):
            walk.captured.setdefault(v if v.fn is None else (v.fn, v.output_nr), []).append(i)
    for v in variables:
        if begins(v) and v.fn is not None:
            walk.plant(v.fn)
    walk.count()
    for i in range(len(variables)):
        v = <VariableBase>variables[i]
        if begins(v):
            stop = walk.enter(end_of(v))
            if v.requires_grad_:
                walk.receive(stop, v.output_nr, grads[i])
            elif stop.arrived == NULL:          # a reward takes the place of the gradient
                hold(stop, [None] * v.fn.n_outputs if v.fn.n_outputs > 1 else None)
    del grads[:]
    for v in variables:
        if begins(v):
            stop = walk.find(end_of(v))
            if stop.waiting == 0:
                stop.waiting = -1               # once, if v is among them twice
                walk.push(stop.key)
    walk_to_the_end(walk)
    return [as_variable(g, graph) for g in walk.found] if inputs is not None else None


def backward_from_number(VariableBase v not None, bint retain):
    """Send the gradient 1 back from a Variable of one element, the usual case. Return whether v is such a case."""
    cdef TensorBase one
    if not v.requires_grad_ or v.volatile_ or v.data_.numel_ != 1 or (
            isinstance(v.fn, FunctionNode) and (<FunctionNode>v.fn).stochastic):
        return False
    one = empty_like(v.data_)
    fill(one, 1)
    grads = [one]
    one = None
    walk_back((v,), grads, retain, False, None, True)
    return True
