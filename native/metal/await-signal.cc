#include "await-signal.h"

namespace conclave {
namespace {

using Clock = std::chrono::steady_clock;

// As long as a thread takes to wake up; then others may have the core.
constexpr std::chrono::microseconds looking{200};
// Commands that fail signal nothing.
constexpr std::chrono::milliseconds atMost{100};

}  // namespace

void awaitSignal(GpuEvent& event, uint64_t value, GpuCommands& commands) {
  const Clock::time_point until = Clock::now() + looking;
  do {
    if (event.signalled() >= value) return;
  } while (Clock::now() < until);
  while (event.signalled() < value) {
    if (commands.haveEnded()) return commands.wait();
    event.sleepUntil(value, atMost);
  }
}

}  // namespace conclave
