// Threads that want the interpreter's lock (the GIL) after the interpreter has begun to end.
#pragma once
#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace lamella {

// f(), which calls CPython in a frame that has destructors. From 3.11 to 3.13 a daemon thread that waits for the lock while the
// interpreter ends is ended by pthread_exit. That unwinds its stack: destructors would drop references without the lock,
// and a noexcept function would abort the process. So such a thread sleeps for good instead, as in CPython 3.14; the
// process ends without it.
template <class F>
auto or_sleep_at_exit(const F& f) {
    try {
        return f();
    } catch (abi::__forced_unwind&) {
        for (;;) ::pause();
    }
}

// f() without the lock. py::gil_scoped_release takes it back in a destructor, which is noexcept.
template <class F>
auto without_gil(const F& f) {
    PyThreadState* const state = PyEval_SaveThread();
    const auto result = f();
    or_sleep_at_exit([=] { PyEval_RestoreThread(state); });
    return result;
}

}  // namespace lamella
