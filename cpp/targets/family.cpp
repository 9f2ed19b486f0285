// The kernels of one family, compiled with the flags of one target. LAMELLA_FAMILY and LAMELLA_TARGET_NAME come from the build.
// The object exports one function and no other code: everything else is in the anonymous namespace.
#include "targets/names.h"

// clang-format off: it would format the path as a division
#include LAMELLA_STRING(kernels/LAMELLA_FAMILY.h)
// clang-format on
#include "lamella/kernels.h"

namespace lamella {
namespace {

template <class T>
void fill(Kernels<T>& kernels) {
#define KERNEL(name, arguments) kernels.name = name<T>;
    // clang-format off
#include LAMELLA_STRING(table/LAMELLA_FAMILY.def)
// clang-format on
#undef KERNEL
}

}  // namespace

extern "C" void LAMELLA_FILL(LAMELLA_FAMILY, LAMELLA_TARGET_NAME)(Table& table) {
    fill(table.f32);
    fill(table.f64);
}

}  // namespace lamella
