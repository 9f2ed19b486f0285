// What a tape records: lamella.ops.tape documents it.
#pragma once
#include <pybind11/pybind11.h>

#include <initializer_list>

namespace lamella {

// The base of lamella.ops.tape.Tape: the record of its present block.
struct Recorder {
    PyObject_HEAD
    PyObject* nodes;   // list of (backward, origins, need, index of the result, number of results or -1)
    PyObject* places;  // dict: index of each source that is a Variable
    PyObject* block;   // an object that identifies this block; its Tensors refer to it
    PyObject* calls;   // list of (op, inputs, configuration, result) if gradients of gradients are needed, else null
    Py_ssize_t first;  // index of the first result
    Py_ssize_t given;  // `first` at the beginning of a block

    template <class F>
    int each_owned(const F& f) {
        for (PyObject** owned : {&nodes, &places, &block, &calls}) {
            if (const int stop = f(*owned)) return stop;
        }
        return 0;
    }
};

// The Recorder that records in this thread, or null; a borrowed reference.
Recorder* recording();

void bind_recorder(pybind11::module_& module);

}  // namespace lamella
