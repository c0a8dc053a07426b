"""Guards drivers of the CPU: a call with a GPU tensor among its arguments goes to the twin of the driver there.

A guarded driver is a built-in function again, which looks at its arguments before it runs the old one. So no driver has
to think of GPUs, and none can read memory that is not the CPU's. The twin of `pool.max_pool` is the function `max_pool`
in the module `pool` of cuda/ops; where there is none, the call raises.
"""
from .storage cimport gpu
from .tensor cimport TensorBase

cdef extern from *:
    """
    typedef PyObject* (*tl_vectorcall)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
    static PyTypeObject* tl_tensor_class;
    static Py_ssize_t tl_device_at;         /* where a tensor object keeps the number of its device */
    static PyObject* tl_send;               /* called with (twin, arguments, keyword arguments) */

    static int tl_on_gpu(PyObject* x) {
        Py_ssize_t i;
        if (PyObject_TypeCheck(x, tl_tensor_class)) return *(int*)((char*)x + tl_device_at) >= 0;
        if (PyTuple_Check(x) || PyList_Check(x))
            for (i = 0; i < PySequence_Fast_GET_SIZE(x); ++i)
                if (tl_on_gpu(PySequence_Fast_GET_ITEM(x, i))) return 1;
        return 0;
    }
    static PyObject* tl_call_twin(PyObject* twin, PyObject* const* args, Py_ssize_t n, PyObject* names) {
        Py_ssize_t i, named = names ? PyTuple_GET_SIZE(names) : 0;
        PyObject *positional = PyTuple_New(n), *keywords = PyDict_New(), *result = NULL;
        if (positional && keywords) {
            for (i = 0; i < n; ++i) { Py_INCREF(args[i]); PyTuple_SET_ITEM(positional, i, args[i]); }
            for (i = 0; i < named; ++i)
                if (PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, i), args[n + i]) < 0) break;
            if (i == named) result = PyObject_CallFunctionObjArgs(tl_send, twin, positional, keywords, NULL);
        }
        Py_XDECREF(positional); Py_XDECREF(keywords);
        return result;
    }
    /* self is (function, module, name) */
    static PyObject* tl_guarded(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
        PyCFunctionObject* old = (PyCFunctionObject*)PyTuple_GET_ITEM(self, 0);
        Py_ssize_t i, all = n + (names ? PyTuple_GET_SIZE(names) : 0);
        for (i = 0; i < all; ++i)
            if (tl_on_gpu(args[i])) return tl_call_twin(self, args, n, names);
        if (old->m_ml->ml_flags == (METH_FASTCALL | METH_KEYWORDS))
            return ((tl_vectorcall)(void*)old->m_ml->ml_meth)(old->m_self, args, n, names);
        return PyObject_Vectorcall((PyObject*)old, args, n, names);
    }
    /* A function of the same name and text. It lives for ever, as functions of modules do. */
    static PyObject* tl_guard(PyObject* twin) {
        PyCFunctionObject* old = (PyCFunctionObject*)PyTuple_GET_ITEM(twin, 0);
        PyMethodDef* made = (PyMethodDef*)PyMem_Malloc(sizeof(PyMethodDef));
        if (made == NULL) return PyErr_NoMemory();
        *made = *old->m_ml;
        made->ml_meth = (PyCFunction)(void*)tl_guarded;
        made->ml_flags = METH_FASTCALL | METH_KEYWORDS;
        return PyCFunction_NewEx(made, twin, old->m_module);
    }
    static void tl_set_up(PyObject* cls, Py_ssize_t device_at, PyObject* send) {
        tl_tensor_class = (PyTypeObject*)cls;
        tl_device_at = device_at;
        Py_INCREF(send);
        tl_send = send;
    }
    """
    object guarded "tl_guard"(object twin)
    void set_up "tl_set_up"(object cls, Py_ssize_t device_at, object send)


def send(tuple twin, tuple args, dict keywords):
    """Call the twin of a driver."""
    return gpu().call(twin[1], twin[2], args, keywords)


def guard(function, str module, str name):
    """Return the guarded form of a driver, a built-in function."""
    return guarded((function, module, name))


cdef TensorBase _any = TensorBase.__new__(TensorBase)
set_up(TensorBase, <char*>&_any.device - <char*><void*>_any, send)
