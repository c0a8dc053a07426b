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
    """
    int set_class_attribute "tl_set_class_attribute"(object cls, object name, object value) except -1
    object new_object "tl_new_object"(object cls, object no_arguments)      # cls.__new__(cls), without __init__
    void method_descriptor "tl_method_descriptor"(object cls)       # x.name(...) may call cls's objects with x first
    void name_class "tl_name_class"(object cls, const char* name)           # name must live for ever
