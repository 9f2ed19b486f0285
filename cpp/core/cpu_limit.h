// How many CPUs the process may use.
#pragma once
#include "core/export.h"

namespace lamella {

// The least of affinity and the control group's quota, at least 1. Read from the system by the first call only.
LAMELLA_EXPORT int cpu_limit();
// CPUs' worth of time that the control group grants now, rounded up; 0 if there is no limit.
LAMELLA_EXPORT int read_cpu_quota();

}  // namespace lamella
