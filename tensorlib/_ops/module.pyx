"""ModuleBase: calls, attributes and walks of nn.Module, in C.

What a module registers stands in dictionaries in its `__dict__`, which nn/module.py fills. A look-up goes from
the class to the instance to these dictionaries and raises nothing on its way; a call without hooks goes straight to
forward(). A walk over the tree asks a module whose class has a method of its own for that. It knows no Variables.
"""
cimport cython
from cpython.object cimport PyObject

from .classes cimport set_class_attribute, tuple_items

cdef extern from "Python.h":
    bint PyDict_CheckExact(object o)
    PyObject* PyDict_GetItemWithError(object d, object key) except? NULL
    object PyObject_GenericGetAttr(object o, object name)
    int PyObject_GenericSetAttr(object o, object name, object value) except -1
    object PyObject_VectorcallDict(object callable, PyObject** args, size_t n, PyObject* keywords)
    bint PyFunction_Check(object o)

cdef extern from *:
    """
    #define tl_look_up(cls, name) _PyType_Lookup((PyTypeObject*)(cls), name)
    #define tl_slots(o) (*(PyObject**)((char*)(o) + Py_TYPE(o)->tp_dictoffset))
    static PyGetSetDef tl_dict = {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL};
    /* Let attributes of cls's objects be looked up by base's C function, if it has no other __getattr__ and
       __getattribute__. Python gives every class a function of its own that finds these two by name and calls them. */
    static void tl_inherit_look_up(PyObject* cls, PyObject* base) {
        static PyObject *hook, *getter;
        getattrofunc look_up = ((PyTypeObject*)base)->tp_getattro;
        if (((PyTypeObject*)cls)->tp_getattro == look_up) return;
        if (!hook) {
            hook = PyUnicode_InternFromString("__getattr__");
            getter = PyUnicode_InternFromString("__getattribute__");
        }
        if (hook && getter && tl_look_up(cls, hook) == tl_look_up(base, hook)
                && tl_look_up(cls, getter) == tl_look_up(base, getter))
            ((PyTypeObject*)cls)->tp_getattro = look_up;
    }
    static PyObject* tl_dict_descriptor(PyObject* cls) { return PyDescr_NewGetSet((PyTypeObject*)cls, &tl_dict); }
    """
    object dict_descriptor "tl_dict_descriptor"(object cls)
    void inherit_look_up "tl_inherit_look_up"(object cls, object base)
    PyObject* look_up "tl_look_up"(object cls, object name)     # in a class: borrowed, or NULL without an error
    PyObject* slots_of "tl_slots"(object self)           # self.__dict__, borrowed

cdef enum:
    MOST = 8            # arguments of a call that goes the short way

cdef tuple REGISTERED = ("_parameters", "_modules", "_buffers")


cdef PyObject* registered(dict slots, object name) except? NULL:
    """The parameter, module or buffer of that name, borrowed; NULL where there is none."""
    cdef PyObject* kind
    cdef PyObject* found
    for slot in REGISTERED:
        kind = PyDict_GetItemWithError(slots, slot)
        if kind != NULL and isinstance(<object>kind, dict):
            found = PyDict_GetItemWithError(<object>kind, name)
            if found != NULL:
                return found
    return NULL


# Nothing but the dictionary stands in an object, so that Python pickles and copies modules as it does its own objects.
@cython.auto_pickle(False)
cdef class ModuleBase:
    cdef dict __dict__
    cdef object __weakref__

    def __getattribute__(self, name):
        cdef PyObject* found
        inherit_look_up(type(self), ModuleBase)
        if look_up(type(self), name) == NULL:
            found = PyDict_GetItemWithError(<dict>slots_of(self), name)
            if found == NULL:
                found = registered(<dict>slots_of(self), name)
            if found != NULL:
                return <object>found
        return PyObject_GenericGetAttr(self, name)

    def __getattr__(self, name):
        cdef PyObject* found = registered(<dict>slots_of(self), name)
        if found == NULL:
            raise AttributeError("'%s' object has no attribute '%s'" % (type(self).__name__, name))
        return <object>found

    def _in_order(self):
        """Return an iterator over the child modules."""
        cdef PyObject* modules = PyDict_GetItemWithError(<dict>slots_of(self), "_modules")
        if modules != NULL and PyDict_CheckExact(<object>modules):
            return iter((<dict>modules).values())
        return iter(self._modules.values())         # an OrderedDict, where the module was saved with one

    def __call__(self, *input, **kwargs):
        hooks = hooks_of(self, "_forward_pre_hooks")
        if hooks:
            for hook in hooks.values():
                hook(self, input)
        result = run_forward(self, input, kwargs)
        hooks = hooks_of(self, "_forward_hooks")
        if hooks:
            for hook in hooks.values():
                if hook(self, input, result) is not None:
                    raise RuntimeError("forward hooks should never return any values, but '%s' didn't return None"
                                       % hook)
        if hooks_of(self, "_backward_hooks"):
            self._hang_backward_hooks(result)
        return result


set_class_attribute(ModuleBase, "__dict__", dict_descriptor(ModuleBase))      # Cython's own cannot be assigned to


cdef object hooks_of(ModuleBase self, str kind):
    cdef PyObject* hooks = PyDict_GetItemWithError(<dict>slots_of(self), kind)
    return <object>hooks if hooks != NULL else getattr(self, kind)


cdef object run_forward(ModuleBase self, tuple input, dict kwargs):
    """self.forward(*input, **kwargs), without a bound method where forward() is an ordinary one of the class."""
    cdef PyObject* args[MOST + 1]
    cdef PyObject* function = look_up(type(self), "forward")
    cdef Py_ssize_t n = len(input), i
    if (function == NULL or n > MOST or not PyFunction_Check(<object>function)
            or PyDict_GetItemWithError(<dict>slots_of(self), "forward") != NULL):
        return self.forward(*input, **kwargs)
    args[0] = <PyObject*>self
    for i in range(n):
        args[i + 1] = tuple_items(input)[i]
    return PyObject_VectorcallDict(<object>function, args, n + 1, <PyObject*>kwargs if kwargs else NULL)


# ---- attributes and walks, for nn/module.py -------------------------------------------------------------

cdef object module_class = None         # nn.Module
cdef object parameter_class = None      # nn.Parameter


def set_classes(module, parameter):
    """Tell which class has the methods that walks take a short way around, and what is a parameter."""
    global module_class, parameter_class
    module_class, parameter_class = module, parameter


@cython.binding(True)                   # a method where it stands in a class
def set_attribute(ModuleBase self not None, name, value):
    """Set an attribute, or register what is a parameter, a module or under a registered name."""
    if (isinstance(value, ModuleBase) or isinstance(value, parameter_class)
            or registered(<dict>slots_of(self), name) != NULL):
        self._set_registered(name, value)
    else:
        PyObject_GenericSetAttr(self, name, value)


cdef inline bint usual(object module, str method):
    """Whether a module has the method that nn.Module has."""
    return look_up(type(module), method) == look_up(module_class, method)


cdef inline object held(ModuleBase self, str slot):
    """What a module has registered in a slot: a dictionary, or () where that is empty."""
    cdef PyObject* kind = PyDict_GetItemWithError(<dict>slots_of(self), slot)
    found = <object>kind if kind != NULL else getattr(self, slot)
    return found if len(found) else ()


def own_children(ModuleBase self not None):
    """The child modules, each once."""
    cdef list found = []
    cdef set seen
    if not usual(self, "named_children"):
        return [module for _, module in self.named_children()]
    modules = held(self, "_modules")
    if modules:
        seen = set()
        for name in modules:
            module = modules[name]
            if module is not None and module not in seen:
                seen.add(module)
                found.append(module)
    return found


def children_of(module):
    """What module.children() gives, as a list."""
    return own_children(module) if usual(module, "children") else list(module.children())


def parameters_of(ModuleBase self not None):
    """The parameters of the tree, each once."""
    cdef list found = []
    if not usual(self, "named_parameters"):
        return [param for _, param in self.named_parameters()]
    gather_parameters(self, set(), None, found)
    return found


def named_parameters_of(ModuleBase self not None, memo, str prefix):
    """(dotted name, parameter) for those of the tree that are not in memo, which they enter."""
    cdef list found = []
    gather_parameters(self, set() if memo is None else memo, prefix or "", found)
    return found


cdef int gather_by(object method, object memo, str prefix, object name, list found) except -1:
    """Add what a child's own method gives, with its names or, where the prefix is None, without."""
    if prefix is None:
        found.extend([one for _, one in method(memo, name)])
    else:
        found.extend(method(memo, joined(prefix, name)))
    return 0


cdef int gather_parameters(ModuleBase self, object memo, str prefix, list found) except -1:
    """Add (name, parameter) to found, or the parameter alone where the prefix is None. Own ones before children's."""
    cdef set asked = None           # children whose own methods were called: each once
    parameters = held(self, "_parameters")
    for name in parameters:
        param = parameters[name]
        if param is not None and param not in memo:
            memo.add(param)
            found.append(param if prefix is None else (joined(prefix, name), param))
    modules = held(self, "_modules") if usual(self, "named_children") else dict(self.named_children())
    for name in modules:
        module = modules[name]
        if module is None:
            continue
        if isinstance(module, ModuleBase) and usual(module, "named_parameters"):
            gather_parameters(module, memo, None if prefix is None else joined(prefix, name), found)
        elif asked is None or module not in asked:
            asked = {module} if asked is None else asked | {module}
            gather_by(module.named_parameters, memo, prefix, name, found)
    return 0


def modules_of(ModuleBase self not None):
    """The modules of the tree, each once."""
    cdef list found = []
    if not usual(self, "named_modules"):
        return [module for _, module in self.named_modules()]
    gather_modules(self, set(), None, found)
    return found


def named_modules_of(ModuleBase self not None, memo, str prefix):
    """(dotted name, module) for those of the tree that are not in memo, which they enter."""
    cdef list found = []
    gather_modules(self, set() if memo is None else memo, prefix or "", found)
    return found


cdef int gather_modules(ModuleBase self, object memo, str prefix, list found) except -1:
    """Add (name, module) to found, or the module alone where the prefix is None. A module before its children."""
    if self in memo:
        return 0
    memo.add(self)
    found.append(self if prefix is None else (prefix, self))
    modules = held(self, "_modules")
    for name in modules:
        module = modules[name]
        if module is None:
            continue
        if isinstance(module, ModuleBase) and usual(module, "named_modules"):
            gather_modules(module, memo, None if prefix is None else joined(prefix, name), found)
        else:
            gather_by(module.named_modules, memo, prefix, name, found)
    return 0


cdef inline object joined(str prefix, object name):
    return prefix + "." + name if prefix else name
