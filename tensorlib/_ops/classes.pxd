from cpython.object cimport PyObject

# Attributes for static extension classes: Python refuses setattr on them, so methods written in Python go
# straight into the type's dictionary. Used only while the package is being set up.
cdef extern from *:
    """
    static int tl_set_class_attribute(PyObject* cls, PyObject* name, PyObject* value) {
        int failed = PyDict_SetItem(((PyTypeObject*)cls)->tp_dict, name, value);
        PyType_Modified((PyTypeObject*)cls);
        return failed;
    }
    static PyObject* tl_new_object(PyObject* cls, PyObject* no_arguments) {
        return ((PyTypeObject*)cls)->tp_new((PyTypeObject*)cls, no_arguments, NULL);
    }
    static void tl_name_class(PyObject* cls, const char* name) { ((PyTypeObject*)cls)->tp_name = name; }
    static void tl_method_descriptor(PyObject* cls) {
        ((PyTypeObject*)cls)->tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR;
        PyType_Modified((PyTypeObject*)cls);
    }
    /* Calls of cls's objects go to the function whose address they keep at that offset: no tuple, no dict. */
    static void tl_call_through(PyObject* cls, Py_ssize_t offset) {
        ((PyTypeObject*)cls)->tp_vectorcall_offset = offset;
        ((PyTypeObject*)cls)->tp_call = PyVectorcall_Call;
        ((PyTypeObject*)cls)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        PyType_Modified((PyTypeObject*)cls);
    }
    /* Cython leaves an operator in a class as a method, which classes in Python call through its name. As what it is,
       a slot, they take it over. like: the same operator of a class of C, as float.__add__. */
    static PyObject* tl_slot_of(PyObject* cls, PyObject* like) {
        struct wrapperbase* base = ((PyWrapperDescrObject*)like)->d_base;
        char* slots = (char*)((PyTypeObject*)cls)->tp_as_number - offsetof(PyHeapTypeObject, as_number);
        return PyDescr_NewWrapper((PyTypeObject*)cls, base, *(void**)(slots + base->offset));
    }
    static PyObject* tl_tuple_of(PyObject** items, Py_ssize_t n) {
        PyObject* made = PyTuple_New(n);
        Py_ssize_t i;
        if (made)
            for (i = 0; i < n; ++i) { Py_INCREF(items[i]); PyTuple_SET_ITEM(made, i, items[i]); }
        return made;
    }
    static PyObject* tl_dict_of(PyObject* names, PyObject** values) {
        PyObject* made = PyDict_New();
        Py_ssize_t i;
        for (i = 0; made && names && i < PyTuple_GET_SIZE(names); ++i)
            if (PyDict_SetItem(made, PyTuple_GET_ITEM(names, i), values[i]) < 0) Py_CLEAR(made);
        return made;
    }
    #define tl_tuple_items(t) (((PyTupleObject*)(t))->ob_item)
    #define tl_put(t, i, x) (Py_INCREF(x), PyTuple_SET_ITEM(t, i, x))
    """
    # What a vectorcall gets: the arguments, how many (with a flag in the top bit), names of those behind them or NULL.
    ctypedef object (*vectorcall_fn)(object callable, PyObject** args, size_t n, PyObject* names)
    void call_through "tl_call_through"(object cls, Py_ssize_t offset)
    object slot_of_number "tl_slot_of"(object cls, object like)
    Py_ssize_t count_of "PyVectorcall_NARGS"(size_t n)
    object vectorcall "PyObject_Vectorcall"(object callable, PyObject** args, size_t n, PyObject* names)
    tuple new_tuple "PyTuple_New"(Py_ssize_t n)
    tuple tuple_of "tl_tuple_of"(PyObject** items, Py_ssize_t n)
    dict dict_of "tl_dict_of"(PyObject* names, PyObject** values)
    PyObject** tuple_items "tl_tuple_items"(tuple t)
    void put "tl_put"(tuple t, Py_ssize_t i, PyObject* x)       # into a tuple that is being made
    int set_class_attribute "tl_set_class_attribute"(object cls, object name, object value) except -1
    object new_object "tl_new_object"(object cls, object no_arguments)      # cls.__new__(cls), without __init__
    void method_descriptor "tl_method_descriptor"(object cls)       # x.name(...) may call cls's objects with x first
    void name_class "tl_name_class"(object cls, const char* name)           # name must live for ever
