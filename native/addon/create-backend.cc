#include "create-backend.h"

#include <mutex>

#include "../core/failure.h"
#include "../cpu/cpu-backend.h"
#include "../metal/apple-device.h"
#include "../metal/gpu-limits.h"
#include "../metal/metal-backend.h"

namespace conclave {
namespace {

// Threads of JavaScript may open sessions at once.
struct EmulatedGpu {
  std::mutex mutex;
  EmulatedOptions options;
};

EmulatedGpu& emulatedGpu() {
  static EmulatedGpu emulatedGpu;
  return emulatedGpu;
}

std::unique_ptr<GpuDevice> openDevice(const std::string& name) {
  if (name == "metal") return openAppleDevice();
  require(name == "metal-emulated", "unknown backend '" + name + "'; there are cpu, metal, metal-emulated");
  const std::lock_guard lock(emulatedGpu().mutex);
  return std::make_unique<EmulatedDevice>(emulatedGpu().options);
}

}  // namespace

std::unique_ptr<GpuDevice> openGpu(const std::string& name) {
  auto device = openDevice(name);
  requireAppleSilicon(device->properties());
  return device;
}

void setEmulatedGpu(const EmulatedOptions& options) {
  const std::lock_guard lock(emulatedGpu().mutex);
  emulatedGpu().options = options;
}

ModelSession::CreateBackend createBackend(const std::string& name, int threads, const std::string& variant) {
  checkThreads(threads);
  if (name == "cpu") return createCpuBackend(threads, variant);
  return [=](const ModelDescription& description, const StepLimits& limits) {
    return std::make_unique<MetalBackend>(openGpu(name), description, limits, variant, threads);
  };
}

}  // namespace conclave
