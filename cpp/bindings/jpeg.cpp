// Reads the headers of JPEG files that are in memory. In Python this takes a quarter of the time that a small image needs to
// be decoded.
#include "bindings/jpeg.h"

#include <cstddef>

namespace lamella {
namespace {

namespace py = pybind11;

struct Frame {
    int width, height, channels;
};

int two_bytes(const unsigned char* data) { return data[0] << 8 | data[1]; }

// The frames that Pillow can decode: baseline, extended and progressive, with Huffman codes.
bool is_frame(int marker) { return marker >= 0xC0 && marker <= 0xC2; }

bool is_table_or_text(int marker) {
    return marker == 0xC4 || marker == 0xDB || marker == 0xDD || marker == 0xFE || (marker >= 0xE0 && marker <= 0xEF);
}

// Fills `frame` from the header of a usual JPEG file: 8 bits, 1 or 3 channels, one frame, no bytes between the segments.
// Returns whether the file is one. Source: ITU-T T.81, annex B.
bool read_header(const unsigned char* data, std::size_t size, Frame& frame) {
    constexpr int kScan = 0xDA;
    if (size < 3 || data[0] != 0xFF || data[1] != 0xD8 || data[2] != 0xFF) return false;
    bool found = false;
    std::size_t place = 2;
    while (place + 4 <= size && data[place] == 0xFF) {
        const int marker = data[place + 1];
        if (marker == kScan) return found;
        const int length = two_bytes(data + place + 2);
        if (length < 2) return false;
        if (is_frame(marker)) {
            if (found || length < 8 || place + 10 > size) return false;
            const int bits = data[place + 4];
            frame = {two_bytes(data + place + 7), two_bytes(data + place + 5), data[place + 9]};
            if (bits != 8 || frame.width == 0 || frame.height == 0) return false;
            if (frame.channels != 1 && frame.channels != 3) return false;
            found = true;
        } else if (!is_table_or_text(marker)) {
            return false;
        }
        place += 2 + static_cast<std::size_t>(length);
    }
    return false;
}

py::list jpeg_frames(const py::list& contents) {
    py::list frames(contents.size());
    for (std::size_t i = 0; i < contents.size(); ++i) {
        PyObject* const data = PyList_GET_ITEM(contents.ptr(), static_cast<Py_ssize_t>(i));
        Frame frame;
        if (PyBytes_Check(data) && read_header(reinterpret_cast<const unsigned char*>(PyBytes_AS_STRING(data)),
                                               static_cast<std::size_t>(PyBytes_GET_SIZE(data)), frame)) {
            frames[i] = py::make_tuple(frame.width, frame.height, frame.channels);
        } else {
            frames[i] = py::none();
        }
    }
    return frames;
}

}  // namespace

void bind_jpeg(py::module_& module) { module.def("jpeg_frames", &jpeg_frames, py::arg("contents")); }

}  // namespace lamella
