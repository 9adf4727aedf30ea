// What the operations of a program are encoded with.
#pragma once
#include <memory>
#include <vector>

#include "../core/model-weights.h"
#include "expert-tables.h"
#include "metal-kernels.h"
#include "step-memory.h"
#include "weight-memory.h"

namespace conclave {

// The batch at hand.
struct StepExtent {
  int32_t rows = 0, logitRows = 0;
  int32_t blockTableWidth = 0, mostBlocks = 0;
  GpuView blockTables, logits;
};

// Where the outputs of the MoE layer before are: computed here, in places; or sent by other nodes, slot by slot or as
// sums.
enum class ExpertResults { places, slots, sums };

struct EncodingContext {
  const ModelDescription& description;
  const MetalKernels& kernels;
  const StepMemory& memory;
  const WeightMemory& weightMemory;
  const ExpertTables& expertTables;
  const std::vector<std::unique_ptr<GpuBuffer>>& cache;  // [layers]
  const StepExtent& extent;

  /** Of nothing where the model has no such weight, or an expert is not here. */
  GpuView viewOf(const Weight& weight) const { return weightMemory.view(weight.data, weight.bytes); }
};

}  // namespace conclave
