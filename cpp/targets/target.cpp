// All kernels, compiled once for each target with that target's flags. LAMELLA_TARGET_NAME comes from the build. The
// object exports one function and no other code: everything else is in the anonymous namespace.
#include "kernels/families.h"
#include "lamella/kernels.h"

#define LAMELLA_CONCAT_(a, b) a##b
#define LAMELLA_CONCAT(a, b) LAMELLA_CONCAT_(a, b)
#define LAMELLA_STRING_(a) #a
#define LAMELLA_STRING(a) LAMELLA_STRING_(a)

namespace lamella {
namespace {

template <class T>
constexpr Kernels<T> kernels_of() {
    return {
#define KERNEL(name, arguments) name<T>,
#include "kernels.def"
#undef KERNEL
    };
}

}  // namespace

extern "C" const Table* LAMELLA_CONCAT(lamella_table_, LAMELLA_TARGET_NAME)() {
    static constexpr Table table{LAMELLA_STRING(LAMELLA_TARGET_NAME), kernels_of<float>(), kernels_of<double>()};
    return &table;
}

}  // namespace lamella
