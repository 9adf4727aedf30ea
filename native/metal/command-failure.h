// Why commands did not run to their end, as failures.
#pragma once
#include <string>

#include "../core/failure.h"

namespace conclave {

enum class CommandError { outOfMemory, timeout, other };

/** The system's watchdog ended commands that kept the GPU too long. In smaller pieces they may run. */
class GpuTimeout : public Failure {
 public:
  explicit GpuTimeout(const std::string& reason);
};

/** `reason`: the system's words, which name the watchdog where the error does not. */
[[noreturn]] void throwCommandFailure(CommandError error, const std::string& reason);

}  // namespace conclave
