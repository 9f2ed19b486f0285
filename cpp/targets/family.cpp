// The kernels of one family, compiled with the flags of one target. LAMELLA_FAMILY and LAMELLA_TARGET_NAME come from the build.
// The object exports one function and no other code: everything else is in the anonymous namespace. Of the table it includes
// only the lines of its family, so that a new kernel compiles only the objects of its family again.
#include "targets/names.h"

// clang-format off: it would format the paths as divisions
#include LAMELLA_STRING(kernels/LAMELLA_FAMILY.h)
#include "lamella/arguments.h"

namespace lamella {

// As in table.cpp.
#define KERNEL(name, arguments) Status(*name) arguments;
namespace f32 {
struct LAMELLA_PART(LAMELLA_FAMILY) : ArgumentTypes<float> {
#include LAMELLA_STRING(table/LAMELLA_FAMILY.def)
};
}  // namespace f32
namespace f64 {
struct LAMELLA_PART(LAMELLA_FAMILY) : ArgumentTypes<double> {
#include LAMELLA_STRING(table/LAMELLA_FAMILY.def)
};
}  // namespace f64
#undef KERNEL

namespace {

template <class T, class Family>
void fill(Family& family) {
#define KERNEL(name, arguments) family.name = name<T>;
#include LAMELLA_STRING(table/LAMELLA_FAMILY.def)
#undef KERNEL
}
// clang-format on

}  // namespace

using Family32 = f32::LAMELLA_PART(LAMELLA_FAMILY);
using Family64 = f64::LAMELLA_PART(LAMELLA_FAMILY);

extern "C" void LAMELLA_FILL(LAMELLA_FAMILY, LAMELLA_TARGET_NAME)(Family32& of_f32, Family64& of_f64) {
    fill<float>(of_f32);
    fill<double>(of_f64);
}

}  // namespace lamella
