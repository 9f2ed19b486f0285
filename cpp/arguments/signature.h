// The names of a kernel's arguments, from its line of the table, for error messages.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "lamella/kernels.h"

namespace lamella {

// One name of a kernel's signature. in_place: it may be exactly the memory of an input.
struct Parameter {
    std::string name;
    bool in_place;
};

// The fields of each bundle, by its name.
inline const std::map<std::string, std::string>& bundles() {
    static const std::map<std::string, std::string> all = {
#define BUNDLE(name, fields) {#name, #fields},
#include "table/all.def"
    };
    return all;
}

// "(In x, Real alpha, Out y)" -> x, alpha, y; a bundle is replaced by its fields.
inline std::vector<Parameter> parameters_of(const std::string& signature) {
    std::vector<Parameter> parameters;
    std::size_t start = 1;
    for (std::size_t end = signature.find_first_of(",)"); end != std::string::npos;
         start = end + 1, end = signature.find_first_of(",)", start)) {
        const std::size_t name = signature.find_last_of(' ', end) + 1;
        const std::string type = signature.substr(start, name - 1 - start);
        const auto fields = bundles().find(type.substr(type.find_last_of(' ') + 1));
        if (fields == bundles().end()) {
            parameters.push_back({signature.substr(name, end - name), type.find("InPlace") != std::string::npos});
        } else {
            for (const Parameter& field : parameters_of(fields->second)) parameters.push_back(field);
        }
    }
    return parameters;
}

}  // namespace lamella
