// How many CPUs the process may use.
#pragma once
#include "core/export.h"

namespace lamella {

// The minimum of the CPU affinity and the control group's quota, at least 1. Only the first call reads it from the system.
LAMELLA_EXPORT int cpu_limit();
// The control group's present quota of CPU time as a number of CPUs, rounded up; 0 if there is no limit.
LAMELLA_EXPORT int read_cpu_quota();

}  // namespace lamella
