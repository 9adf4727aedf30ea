// Where a session computes, by name: 'cpu', 'metal', 'metal-emulated'.
#pragma once
#include <string>

#include "../core/model-session.h"
#include "../metal/emulated/emulated-device.h"

namespace conclave {

/** `threads` and `variant`: of the CPU's kernels; a GPU has variants of its own. Throws Failure for an unknown name. */
ModelSession::CreateBackend createBackend(const std::string& name, int threads, const std::string& variant);

/** The GPU of backend 'metal' or 'metal-emulated'. Throws Failure. */
std::unique_ptr<GpuDevice> openGpu(const std::string& name);

/** What emulated GPUs that are opened from now on pretend to be, in this process. */
void setEmulatedGpu(const EmulatedOptions& options);

}  // namespace conclave
