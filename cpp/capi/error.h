// The error that lamella_last_error returns.
#pragma once
#include <string>

#include "lamella/lamella.h"

namespace lamella::capi {

// Stores the message for this thread, and returns the status. An empty message means "out of memory".
lamella_status failed(lamella_status status, const std::string& message) noexcept;

}  // namespace lamella::capi
