// The table of one target, filled by its families. Built for the baseline: the dispatcher may call it on any CPU.
#include "lamella/kernels.h"
#include "targets/names.h"

namespace lamella {

#define FAMILY(family) extern "C" void LAMELLA_FILL(family, LAMELLA_TARGET_NAME)(Table&);
#include "table/all.def"

extern "C" const Table* LAMELLA_TABLE(LAMELLA_TARGET_NAME)() {
    static const Table table = [] {
        Table filled{};
        filled.target = LAMELLA_STRING(LAMELLA_TARGET_NAME);
#define FAMILY(family) LAMELLA_FILL(family, LAMELLA_TARGET_NAME)(filled);
#include "table/all.def"
        return filled;
    }();
    return &table;
}

}  // namespace lamella
