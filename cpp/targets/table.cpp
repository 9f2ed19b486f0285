// The table of one target, filled by its families. Built for the baseline: the dispatcher may call it on any CPU.
#include "lamella/kernels.h"
#include "targets/names.h"

namespace lamella {

// The part of the table that each family fills, a struct for each element type: FAMILY ends the struct before it and begins the
// next one.
// clang-format off: it sees no structs in these lines
#define FAMILY(family) }; struct LAMELLA_PART(family) : ArgumentTypes<float> {
#define KERNEL(name, arguments) Status(*name) arguments;
namespace f32 {
struct None {
#include "table/all.def"
};
}  // namespace f32
#define FAMILY(family) }; struct LAMELLA_PART(family) : ArgumentTypes<double> {
#define KERNEL(name, arguments) Status(*name) arguments;
namespace f64 {
struct None {
#include "table/all.def"
};
}  // namespace f64
// clang-format on

#define FAMILY(family) \
    extern "C" void LAMELLA_FILL(family, LAMELLA_TARGET_NAME)(f32::LAMELLA_PART(family) &, f64::LAMELLA_PART(family) &);
#include "table/all.def"

extern "C" const Table* LAMELLA_TABLE(LAMELLA_TARGET_NAME)() {
    static const Table table = [] {
        Table filled{};
        filled.target = LAMELLA_STRING(LAMELLA_TARGET_NAME);
        // FAMILY has a family fill its part; the lines of the family copy it.
        // clang-format off: it sees no blocks in these lines
#define FAMILY(family)                    \
        } {                               \
            f32::LAMELLA_PART(family) of_f32; \
            f64::LAMELLA_PART(family) of_f64; \
            LAMELLA_FILL(family, LAMELLA_TARGET_NAME)(of_f32, of_f64);
#define KERNEL(name, arguments) filled.f32.name = of_f32.name, filled.f64.name = of_f64.name;
        {
#include "table/all.def"
        }
        // clang-format on
        return filled;
    }();
    return &table;
}

}  // namespace lamella
