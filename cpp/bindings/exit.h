// Threads that wait for the interpreter's lock (the GIL) while the interpreter ends.
#pragma once
#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace lamella {

// f(), which calls CPython in a frame that has destructors. CPython 3.11 to 3.13 ends a daemon thread that waits for the lock
// while the interpreter ends by pthread_exit. That unwinds its stack: destructors would drop references without the lock,
// and a noexcept function would abort the process. So such a thread sleeps until the process ends, as in CPython 3.14.
template <class F>
auto or_sleep_at_exit(const F& f) {
#if defined(__GLIBCXX__)
    try {
        return f();
    } catch (abi::__forced_unwind&) {
        for (;;) ::pause();
    }
#else  // __forced_unwind is libstdc++'s; pthread_exit of macOS runs no destructors
    return f();
#endif
}

// f() without the lock. py::gil_scoped_release cannot be used: it takes the lock again in a destructor, which is noexcept.
template <class F>
auto without_gil(const F& f) {
    PyThreadState* const state = PyEval_SaveThread();
    const auto result = f();
    or_sleep_at_exit([=] { PyEval_RestoreThread(state); });
    return result;
}

}  // namespace lamella
