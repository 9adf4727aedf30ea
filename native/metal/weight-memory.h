// The packs as the GPU sees them: a no-copy buffer per file, or several where it is larger than a buffer may be, found
// by the address of what lies in it.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "../core/mapped-file.h"
#include "buffer-ranges.h"
#include "gpu-device.h"
#include "residency.h"

namespace conclave {

// What a session keeps on the GPU beside weights.
struct BesideWeights {
  BufferList cache;  // of keys and values, which kernels alone write
  BufferList step;   // which the host writes too
};

class WeightMemory {
 public:
  /** `weights`: of the model's packs; `largestBytes`: of its matrices. Throws Failure. */
  WeightMemory(GpuDevice& device, DType weights, int64_t largestBytes,
               std::chrono::milliseconds heartbeat = Residency::heartbeat);

  /**
   * Wraps the files that are new and lets go of those that are gone. All are resident afterwards, and so is `beside`:
   * what else the session keeps on the GPU. Throws Failure, outOfMemory before the GPU would, with what to do; then all
   * is as before.
   */
  void hold(const std::vector<std::shared_ptr<const MappedFile>>& files, const BesideWeights& beside = {});

  /** The files stay, beside others than before. Throws like hold. */
  void keepBeside(const BesideWeights& beside);

  /** The view of [data, data + bytes), which lies in a held file; of nothing when data is null. */
  GpuView view(const void* data, int64_t bytes) const;

 private:
  struct Held {
    std::shared_ptr<const MappedFile> file;
    std::vector<ByteRange> ranges;
    std::vector<std::shared_ptr<const GpuBuffer>> buffers;  // [ranges]
  };

  using HeldFiles = std::map<const std::byte*, Held>;  // by the file's first byte

  void keep(const HeldFiles& held, const BesideWeights& beside);
  Held wrapped(const std::shared_ptr<const MappedFile>& file);

  GpuDevice& device_;
  int64_t largestBytes_;
  HeldFiles held_;
  std::unique_ptr<GpuBuffer> nothing_;  // what an expert that is not here is bound to
  Residency residency_;
};

}  // namespace conclave
