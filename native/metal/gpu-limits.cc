#include "gpu-limits.h"

#include <string>

namespace conclave {
namespace {

// To the system and the processes.
constexpr int64_t reservedBytes = int64_t{8} << 30;
constexpr int64_t megabyte = 1 << 20;

std::string gigabytes(int64_t bytes) {
  std::string digits = std::to_string((bytes + (1 << 26)) / (1 << 27) * 125);
  digits.insert(0, digits.size() < 4 ? 4 - digits.size() : 0, '0');
  return digits.substr(0, digits.size() - 3) + "." + digits.substr(digits.size() - 3, 1) + " GiB";
}

}  // namespace

void requireAppleSilicon(const GpuProperties& gpu) {
  if (gpu.appleSilicon) return;
  throw Failure(FailureCode::unavailable,
                gpu.name + " is no GPU of Apple silicon (M1 or newer), which Metal needs here: use backend cpu");
}

// The system lets the GPU wire about three quarters of the memory unless told otherwise.
void requireRoom(const GpuProperties& gpu, int64_t bytes) {
  if (bytes <= gpu.workingSetBytes) return;
  const std::string needs =
      "weights and cache need " + gigabytes(bytes) + " on the GPU, which may hold " + gigabytes(gpu.workingSetBytes);
  const bool raisable = bytes + reservedBytes <= gpu.memoryBytes;
  const std::string remedy =
      raisable
          ? "; raise the limit with: sudo sysctl iogpu.wired_limit_mb=" + std::to_string(bytes / megabyte + 1024)
          : "; this machine has " + gigabytes(gpu.memoryBytes) + ": hold fewer experts here, or a smaller KV cache";
  throw Failure(FailureCode::outOfMemory, needs + remedy);
}

void requireBuffer(const GpuProperties& gpu, const std::string& what, int64_t bytes, const std::string& remedy) {
  if (bytes <= gpu.largestBufferBytes) return;
  throw Failure(FailureCode::outOfMemory, what + " needs a buffer of " + gigabytes(bytes) +
                                              ", and the GPU takes up to " + gigabytes(gpu.largestBufferBytes) + ": " +
                                              remedy);
}

void requireThreads(const std::string& kernel, int64_t most, int32_t wanted) {
  if (wanted <= most) return;
  throw Failure(FailureCode::unavailable, "kernel " + kernel + " runs in threadgroups of " + std::to_string(wanted) +
                                              " threads; its registers leave room for " + std::to_string(most) +
                                              " on this GPU: use backend cpu, and send this line with the Mac's name");
}

void requireThreadgroupMemory(const std::string& kernel, int64_t bytes, const std::string& purpose) {
  if (bytes <= mostThreadgroupBytes) return;
  throw Failure(FailureCode::unavailable, "kernel " + kernel + " needs " + std::to_string(bytes) +
                                              " bytes of threadgroup memory for " + purpose + "; a GPU has " +
                                              std::to_string(mostThreadgroupBytes) + ": use backend cpu");
}

void requirePages(const GpuProperties& gpu, const MappedFile& pack) {
  const auto first = reinterpret_cast<uintptr_t>(pack.range(0, 0));
  if (first % static_cast<uintptr_t>(gpu.pageBytes) == 0) return;
  throw Failure(FailureCode::unavailable, pack.path() + " is not mapped at a page of the GPU, of " +
                                              std::to_string(gpu.pageBytes) +
                                              " bytes: delete the packs and let them be built again");
}

}  // namespace conclave
