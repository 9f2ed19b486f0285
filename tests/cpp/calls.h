// Replays the calls that the kernel tests wrote (tests/kernels/calls_file.py describes the format) on the target in use, with
// one thread and with two. Every array has its own memory.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "harness.h"

namespace checks {

// The address sanitizer needs the end of an array to be the end of its memory. Without it, guard zones surround the array: NaN,
// or large integers, which change the result of a kernel that reads them.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kZone = 0;
#else
constexpr std::size_t kZone = 64;
#endif

// The calls, mapped into memory.
class CallsFile {
public:
    explicit CallsFile(const char* path) {
        const int file = open(path, O_RDONLY);
        struct stat status{};
        if (file >= 0 && fstat(file, &status) == 0 && status.st_size > 0) {
            void* const memory = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
            if (memory != MAP_FAILED) begin_ = static_cast<const char*>(memory), end_ = begin_ + status.st_size;
        }
        if (file >= 0) close(file);
        rewind();
    }
    bool empty() const { return begin_ == end_; }
    void rewind() { at_ = begin_; }
    bool at_end() const { return at_ == end_; }

    const char* take(std::size_t bytes) {
        if (bytes > static_cast<std::size_t>(end_ - at_)) {
            std::printf("the file of calls ends in the middle of a call\n");
            std::exit(1);
        }
        return std::exchange(at_, at_ + bytes);
    }
    template <class V>
    V number() {
        V value;
        std::memcpy(&value, take(sizeof value), sizeof value);
        return value;
    }

private:
    const char *begin_ = nullptr, *end_ = nullptr, *at_ = nullptr;
};

// The checks of an array with elements of any type.
struct AnyArray {
    virtual ~AnyArray() = default;
    virtual bool intact() const = 0;
    virtual double excess() const = 0;
    virtual void append_to(std::string& bits) const = 0;
    virtual std::string shape() const = 0;
};
using Arrays = std::vector<const AnyArray*>;

// One array of a call: its memory, and its contents in the file.
template <class T>
struct Array final : AnyArray {
    View<T> view{};
    std::unique_ptr<T[]> memory;  // also not null if the array is empty, as in NumPy
    const char* wanted = nullptr;

    void read_shape(CallsFile& file) {
        std::vector<Int> shape(file.number<std::size_t>());
        for (Int& n : shape) n = file.number<Int>();
        view = view_of<T>(nullptr, shape);
        const std::size_t all = size() + 2 * kZone;
        memory.reset(new T[all]);
        std::memset(memory.get(), 0xFF, all * sizeof(T));  // NaN
        view.data = memory.get() + kZone;
    }
    std::size_t size() const { return static_cast<std::size_t>(view.size); }
    const char* contents(CallsFile& file) { return file.take(size() * sizeof(T)); }
    void fill(CallsFile& file) {
        const char* const from = contents(file);
        if (size() > 0) std::memcpy(view.data, from, size() * sizeof(T));
    }

    bool intact() const override {
        const auto* const bytes = reinterpret_cast<const unsigned char*>(memory.get());
        for (std::size_t i = 0; i < kZone * sizeof(T); ++i) {
            if (bytes[i] != 0xFF || bytes[(kZone + size()) * sizeof(T) + i] != 0xFF) return false;
        }
        return true;
    }

    // Targets add in different orders, so the bound is 1000 units in the last place of the largest value, or of 0.1. The tests
    // that wrote the file check each kernel with smaller bounds. Returns the first error above the bound, divided by the bound;
    // 0 if there is none.
    double excess() const override {
        if (wanted == nullptr) return 0;
        std::vector<T> all(size());
        if (size() > 0) std::memcpy(all.data(), wanted, size() * sizeof(T));
        if constexpr (!std::is_floating_point_v<T>) {
            return size() == 0 || std::memcmp(all.data(), view.data, size() * sizeof(T)) == 0 ? 0 : HUGE_VAL;
        } else {
            double largest = 0.1;
            for (const T v : all) {
                if (std::isfinite(v)) largest = std::fmax(largest, std::fabs(static_cast<double>(v)));
            }
            const double bound = 1000 * static_cast<double>(std::numeric_limits<T>::epsilon()) * largest;
            for (std::size_t i = 0; i < size(); ++i) {
                const double got = static_cast<double>(view.data[i]), want = static_cast<double>(all[i]);
                if (got == want || (std::isnan(got) && std::isnan(want))) continue;
                if (!(std::fabs(got - want) <= bound)) return std::fabs(got - want) / bound;
            }
            return 0;
        }
    }
    void append_to(std::string& bits) const override {
        bits.append(reinterpret_cast<const char*>(view.data), size() * sizeof(T));
    }
    std::string shape() const override {
        std::string text = " [";
        for (Int i = 0; i < view.rank; ++i) text += (i > 0 ? "," : "") + std::to_string(view.shape[i]);
        return text + "]";
    }
};

// Argument<A>: reads an argument of type A from the file, stores it, and lists its arrays.
template <class A>
struct Argument {
    A value{};
    void read(CallsFile& file, Arrays&) { value = file.number<A>(); }
    A get() const { return value; }
};

template <class E>
struct Argument<const View<E>&> {
    Array<std::remove_const_t<E>> array;
    View<E> view{};
    void read(CallsFile& file, Arrays& arrays) {
        arrays.push_back(&array);
        array.read_shape(file);
        if constexpr (std::is_const_v<E>) {
            array.fill(file);
        } else {
            array.wanted = array.contents(file);
        }
        view = {array.view.data, array.view.size, array.view.rank, {}};
        std::copy(array.view.shape, array.view.shape + lamella::kMaxRank, view.shape);
    }
    const View<E>& get() const { return view; }
};

template <class E>
struct Argument<const ViewList<E>&> {
    std::deque<Argument<const View<const E>&>> items;
    std::vector<View<E>> views;
    ViewList<E> list{};
    void read(CallsFile& file, Arrays& arrays) {
        items.resize(file.number<std::size_t>());
        for (auto& item : items) {
            item.read(file, arrays);
            const View<std::remove_const_t<E>>& view = item.array.view;
            views.push_back({view.data, view.size, view.rank, {}});
            std::copy(view.shape, view.shape + lamella::kMaxRank, views.back().shape);
        }
        list = {views.data(), static_cast<Int>(views.size())};
        if constexpr (!std::is_const_v<E>) {
            for (auto& item : items) item.array.wanted = item.array.contents(file);
        }
    }
    const ViewList<E>& get() const { return list; }
};

template <>
struct Argument<lamella::Window> {
    lamella::Window window{};
    void read(CallsFile& file, Arrays&) {
        window.axes = file.number<Int>();
        for (Int* part : {window.size, window.stride, window.dilation, window.before}) {
            for (int i = 0; i < lamella::kMaxAxes; ++i) part[i] = file.number<Int>();
        }
    }
    lamella::Window get() const { return window; }
};

// A function's arguments, in their order.
template <class... A>
struct Arguments {
    std::tuple<Argument<A>...> all;
    void read(CallsFile& file, Arrays& arrays) {
        std::apply([&](auto&... each) { (each.read(file, arrays), ...); }, all);
    }
};

template <class Bundle, class Fields>
struct BundleArgument;
template <class Bundle, class... A>
struct BundleArgument<Bundle, void(A...)> : Arguments<A...> {
    Bundle get() const {
        return std::apply([](const auto&... field) { return Bundle{field.get()...}; }, this->all);
    }
};
#define BUNDLE(name, fields)                                                                                                  \
    template <class T>                                                                                                        \
    struct Argument<const lamella::name<T>&> : BundleArgument<lamella::name<T>, typename lamella::Kernels<T>::name##Fields> { \
    };
#include "table/all.def"

enum class Outcome : char { kCompared = 'C', kRefused = 'R', kRun = 'M' };

// One run of a call: whether the kernel refused it, and its arrays afterwards.
struct Run {
    bool refused;
    Arrays arrays;
};

inline void compare(const Run (&runs)[2], Outcome outcome, const std::string& name, Count& check) {
    std::string bits[2], what;
    for (int i = 0; i < 2; ++i) {
        if (runs[i].refused != (outcome == Outcome::kRefused)) what += runs[i].refused ? " is refused" : " is not refused";
        for (const AnyArray* array : runs[i].arrays) {
            if (!array->intact()) what += " writes beyond an array";
            const double excess = outcome == Outcome::kCompared ? array->excess() : 0;
            if (excess != 0) what += " differs from the file by " + std::to_string(excess) + " of the bound";
            array->append_to(bits[i]);
        }
    }
    if (outcome == Outcome::kCompared && bits[0] != bits[1]) what += " depends on the number of threads";
    if (!what.empty()) {
        for (const AnyArray* array : runs[0].arrays) what += array->shape();
    }
    check(what.empty(), name + what);
}

// Replays the next call of the file with one thread and with two.
template <class... A>
void replay(lamella::Status (*kernel)(A...), Outcome outcome, const std::string& name, CallsFile& file, Count& check) {
    const CallsFile start = file;
    Arguments<A...> arguments[2];
    Run runs[2];
    for (int i = 0; i < 2; ++i) {
        file = start;
        arguments[i].read(file, runs[i].arrays);
        lamella::set_num_threads(i + 1);
        runs[i].refused = std::apply([&](const auto&... each) { return kernel(each.get()...) != nullptr; }, arguments[i].all);
    }
    compare(runs, outcome, name, check);
}

// Replays all calls of the file on the target in use; each kernel of the table must be among them.
inline void replay_all(CallsFile& file, Count& check) {
    const lamella::Table& table = lamella::current();
    std::map<std::string, void (*)(const lamella::Table&, char, Outcome, CallsFile&, Count&)> kernels;
    std::map<std::string, int> calls;
#define KERNEL(name, arguments)                                                                           \
    kernels[#name] = [](const lamella::Table& t, char element, Outcome outcome, CallsFile& f, Count& c) { \
        element == 'd' ? replay(t.f64.name, outcome, #name " float64", f, c)                              \
                       : replay(t.f32.name, outcome, #name " float32", f, c);                             \
    };
#include "table/all.def"
    for (file.rewind(); !file.at_end();) {
        const std::size_t length = file.number<unsigned char>();
        const std::string name(file.take(length), length);
        const char element = file.number<char>();
        const Outcome outcome{file.number<char>()};
        const auto kernel = kernels.find(name);
        if (kernel == kernels.end()) {
            check(false, "the table has no kernel " + name);
            return;
        }
        kernel->second(table, element, outcome, file, check);
        ++calls[name];
        if (file.number<char>() != 'E') {
            check(false, name + ": the file has other arguments than the table");
            return;
        }
    }
    for (const auto& kernel : kernels) check(calls[kernel.first] > 0, "the file has no call of " + kernel.first);
}

}  // namespace checks
