// Reads many small files in one call that does not hold the interpreter's lock (the GIL). Python's open, read and close release
// and take the lock several times for each file; two threads that do this wait for each other longer than they read.
#include "bindings/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "bindings/exit.h"
#include "bindings/objects.h"

namespace lamella {
namespace {

struct File {
    PyObject* path;  // bytes; nullptr if the argument is not a path
    char* data;      // nullptr if the file was not read
    std::size_t size;
};

// Reads a regular file of 1 to `most` bytes. If a signal interrupts the call, the file counts as not read: the caller then
// opens it with Python, which handles the signal.
void read_one(File& file, std::size_t most) {
    // O_NONBLOCK: the open of a pipe must not wait for its other end.
    const int opened = ::open(PyBytes_AS_STRING(file.path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0) return;
    struct stat status;
    if (::fstat(opened, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        static_cast<std::size_t>(status.st_size) <= most) {
        const auto size = static_cast<std::size_t>(status.st_size);
        // One byte more than the size, to notice a file that has grown.
        file.data = static_cast<char*>(std::malloc(size + 1));
        if (file.data != nullptr && ::read(opened, file.data, size + 1) == status.st_size) {
            file.size = size;
        } else {
            std::free(file.data);
            file.data = nullptr;
        }
    }
    ::close(opened);
}

// Reads until the files have `most` bytes together. Returns the number of files that it has read or tried to read.
std::size_t read_all(std::vector<File>& files, std::size_t most) {
    std::size_t total = 0, done = 0;
    while (done < files.size() && total < most) {
        File& file = files[done++];
        if (file.path != nullptr) read_one(file, most);
        total += file.size;
    }
    return done;
}

py::list read_files(const py::list& paths, std::size_t most) {
    std::vector<File> files;
    files.reserve(paths.size());
    for (const py::handle path : paths) {
        File file{nullptr, nullptr, 0};
        if (!PyUnicode_FSConverter(path.ptr(), &file.path)) {
            file.path = nullptr;
            PyErr_Clear();
        }
        files.push_back(file);
    }
    const std::size_t done = without_gil([&] { return read_all(files, most); });
    PyObject* const contents = PyList_New(static_cast<Py_ssize_t>(done));
    for (std::size_t i = 0; i < files.size(); ++i) {
        const File& file = files[i];
        if (contents != nullptr && i < done) {
            PyObject* bytes = nullptr;
            if (file.data != nullptr) bytes = PyBytes_FromStringAndSize(file.data, static_cast<Py_ssize_t>(file.size));
            if (bytes == nullptr) PyErr_Clear();  // out of memory: the file counts as not read
            PyList_SET_ITEM(contents, static_cast<Py_ssize_t>(i), bytes != nullptr ? bytes : Py_NewRef(Py_None));
        }
        std::free(file.data);
        Py_XDECREF(file.path);
    }
    if (contents == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::list>(contents);
}

}  // namespace

void bind_files(py::module_& module) { module.def("read_files", &read_files, py::arg("paths"), py::arg("most")); }

}  // namespace lamella
