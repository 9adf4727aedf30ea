// The host's side of an event: it looks for a while before it sleeps, as being woken takes longer than most waits.
#pragma once
#include "gpu-device.h"

namespace conclave {

/**
 * Returns once the event has that value, which `commands` signal. Throws Failure, as their wait() does, when they ended
 * without.
 */
void awaitSignal(GpuEvent& event, uint64_t value, GpuCommands& commands);

}  // namespace conclave
