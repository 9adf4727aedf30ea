#include "command-failure.h"

namespace conclave {
namespace {

// For a Mac with a display, long before the timeout.
constexpr const char* displayWatchdog = "Impacting Interactivity";

}  // namespace

GpuTimeout::GpuTimeout(const std::string& reason)
    : Failure(FailureCode::deviceLost,
              "the system's watchdog ended commands that kept the GPU too long (" + reason +
                  "): keep other programs off this GPU, run without a display, or set worker.maxRows lower; restart "
                  "this node") {}

void throwCommandFailure(CommandError error, const std::string& reason) {
  const bool isWatchdog = error == CommandError::timeout || reason.find(displayWatchdog) != std::string::npos;
  if (isWatchdog) throw GpuTimeout(reason);
  const FailureCode code = error == CommandError::outOfMemory ? FailureCode::outOfMemory : FailureCode::deviceLost;
  throw Failure(code, "the GPU gave up a step: " + reason + "; restart this node");
}

}  // namespace conclave
