// The kernels as C functions, one for each element type. The build writes the list from the table (cpp/capi/header.py).
#include "capi/call.h"

using lamella::Kernels;
using lamella::Table;
using lamella::capi::call;
using lamella::capi::Signature;

#define FUNCTION(name, signature, of_f32, of_f64, ...)                        \
    extern "C" lamella_status lamella_##name##_f32 of_f32 {                   \
        static const Signature names("lamella_" #name "_f32", signature);     \
        return call(names, &Kernels<float>::name, &Table::f32, __VA_ARGS__);  \
    }                                                                         \
    extern "C" lamella_status lamella_##name##_f64 of_f64 {                   \
        static const Signature names("lamella_" #name "_f64", signature);     \
        return call(names, &Kernels<double>::name, &Table::f64, __VA_ARGS__); \
    }
#include "capi/functions.def"
