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
    /* Like `o.__class__ = cls`, also from a class of C to one in Python that adds nothing to it. */
    static void tl_become(PyObject* o, PyObject* cls) { Py_INCREF(cls); Py_SET_TYPE(o, (PyTypeObject*)cls); }
    /* A free list for the objects of one class: dead ones keep their memory and all that is as in a new object, so that
       making and freeing one touches little. release() empties what an object holds. Objects of derived classes, which
       have more to them, and of a class with a finalizer go the usual way. The class may be one made in Python. */
    #define TL_KEPT 256
    static PyTypeObject* tl_kept_class;
    static newfunc tl_usual_new;
    static destructor tl_usual_dealloc;
    static void (*tl_release)(PyObject*);
    static PyObject* tl_kept[TL_KEPT];
    static int tl_n_kept;
    static PyObject* tl_revive(PyTypeObject* cls, PyObject* args, PyObject* words) {
        PyObject* o;
        if (cls != tl_kept_class || !tl_n_kept) return tl_usual_new(cls, args, words);
        o = PyObject_Init(tl_kept[--tl_n_kept], cls);
        PyObject_GC_Track(o);
        return o;
    }
    static void tl_clear_dict(PyObject* o) {
        PyObject** dict = _PyObject_GetDictPtr(o);
        if (dict) Py_CLEAR(*dict);
    }
    static void tl_keep(PyObject* o) {
        PyTypeObject* cls = Py_TYPE(o);
        PyTypeObject* heap = PyType_HasFeature(tl_kept_class, Py_TPFLAGS_HEAPTYPE) ? cls : NULL;
        if (cls == tl_kept_class && cls->tp_finalize && PyObject_CallFinalizerFromDealloc(o) < 0) return;
        PyObject_GC_UnTrack(o);
        Py_TRASHCAN_BEGIN(o, tl_keep)
        tl_clear_dict(o);
        if (cls != tl_kept_class || cls->tp_finalize || tl_n_kept == TL_KEPT) {
            tl_usual_dealloc(o);
        } else {
            if (cls->tp_weaklistoffset && *(PyObject**)((char*)o + cls->tp_weaklistoffset)) PyObject_ClearWeakRefs(o);
            Py_SET_REFCNT(o, 1);
            tl_release(o);
            Py_SET_REFCNT(o, 0);
            if (tl_n_kept < TL_KEPT) tl_kept[tl_n_kept++] = o; else PyObject_GC_Del(o);
        }
        Py_XDECREF(heap);
        Py_TRASHCAN_END
    }
    static void tl_keep_objects(PyObject* cls, PyObject* base, void (*release)(PyObject*)) {
        tl_kept_class = (PyTypeObject*)cls;
        tl_release = release;
        tl_usual_new = ((PyTypeObject*)base)->tp_new;
        tl_usual_dealloc = ((PyTypeObject*)base)->tp_dealloc;
        tl_kept_class->tp_new = ((PyTypeObject*)base)->tp_new = tl_revive;      /* both, or __new__ is not safe */
        tl_kept_class->tp_dealloc = tl_keep;
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
    #define tl_put_new(l, i, x) (Py_INCREF(x), PyList_SET_ITEM(l, i, x))
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
    list new_list "PyList_New"(Py_ssize_t n)
    void put_new "tl_put_new"(list l, Py_ssize_t i, object x)   # into a list that is being made
    int set_class_attribute "tl_set_class_attribute"(object cls, object name, object value) except -1
    object new_object "tl_new_object"(object cls, object no_arguments)      # cls.__new__(cls), without __init__
    void become "tl_become"(object o, object cls)
    ctypedef void (*release_fn)(PyObject* o) noexcept
    # Of one class for each file that calls this; base is the class of C that makes and frees its objects.
    void keep_objects "tl_keep_objects"(object cls, object base, release_fn release)
    void method_descriptor "tl_method_descriptor"(object cls)       # x.name(...) may call cls's objects with x first
    void name_class "tl_name_class"(object cls, const char* name)           # name must live for ever
