// Where the experts of each layer lie on the GPU: kernels get the buffers and a table, so that a product is one
// dispatch whatever the number of experts, if they lie in no more buffers than a kernel takes.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "../core/model-weights.h"
#include "weight-memory.h"

namespace conclave {

class ExpertTables {
 public:
  // One weight of a layer's experts.
  struct Role {
    GpuView table;  // i32 [experts, 2]: buffer, -1 where the expert is not here; offset in units of 16 bytes
    std::vector<GpuView> buffers;  // whole
    WeightFormat format;
  };

  ExpertTables(GpuDevice& device, const ModelDescription& description);

  /** Of the weights that `memory` holds now. Throws Failure. Not while commands use the tables. */
  void fill(const ModelWeights& weights, const WeightMemory& memory);

  /** layer: a MoE layer. */
  const Role& of(int32_t layer, WeightRole role) const { return layers_[static_cast<size_t>(layer)][expertRole(role)]; }
  /** Of a weight that lies at the beginning of the first buffer. */
  GpuView alone() const { return {tables_.get(), 0, entryBytes}; }

  const GpuBuffer& buffer() const { return *tables_; }

 private:
  static constexpr int64_t entryBytes = 2 * sizeof(int32_t);

  void fill(Role& role, const ModelWeights& weights, const WeightMemory& memory, int32_t layer, WeightRole name) const;

  int32_t experts_;
  std::unique_ptr<GpuBuffer> tables_;
  std::vector<std::array<Role, expertRoleCount>> layers_;  // [layers]; with tables where there are experts
};

}  // namespace conclave
