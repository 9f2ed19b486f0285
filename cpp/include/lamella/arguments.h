// The names that cpp/table gives to the types of arguments, for kernels on elements T.
#pragma once
#include "core/bundles.h"
#include "core/view.h"
#include "core/window.h"

namespace lamella {

template <class T>
struct ArgumentTypes {
    using In = const View<const T>&;
    using Out = const View<T>&;
    using InPlace = const View<T>&;
    using Bytes = const View<std::uint8_t>&;
    using InBytes = const View<const std::uint8_t>&;
    using Labels = const View<const Int>&;
    using Reals = const View<const Real>&;
    using OutLabels = const View<Int>&;
    using List = const ViewList<T>&;
    using InList = const ViewList<const T>&;
    using InBytesList = const ViewList<const std::uint8_t>&;
    using BytesList = const ViewList<std::uint8_t>&;
// The name of a bundle is an argument's type; its fields are the arguments of a function type.
#define BUNDLE(name, fields)              \
    using name = const lamella::name<T>&; \
    using name##Fields = void fields;
#include "table/bundles.def"
#undef BUNDLE
};

}  // namespace lamella
