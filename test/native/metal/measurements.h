// What a report from a Mac has beside right and wrong: limits, times, rates. Each returns lines of a table.
#pragma once
#include <string>
#include <vector>

#include "../../../native/metal/gpu-device.h"

namespace conclave::test {

using Lines = std::vector<std::string>;

struct MeasuredSizes {
  int32_t inputs, outputs;              // of a dense matrix
  int32_t expertInputs, expertOutputs;  // of a small expert, of which 16 go to a dispatch
  std::vector<int32_t> rows;
  int32_t prefillRows;
  std::vector<double> restSeconds;
  int64_t restBytes;  // read by the step after a rest
};

/** DBRX's dense matrices and the experts of a model of 128. */
MeasuredSizes realSizes(const GpuProperties& gpu);

/** Compiles every kernel for every type of weights. Where a GPU lacks simdgroup matrices, those kernels are left out.
 */
Lines pipelineLimits(GpuDevice& device);
Lines roundTrip(GpuDevice& device);
Lines products(GpuDevice& device, const MeasuredSizes& sizes);
/** The products of a layer in as many command buffers as the budget makes of them. */
Lines prefill(GpuDevice& device, const MeasuredSizes& sizes);
/** The first read of weights after doing nothing, with what keeps them wired and without. */
Lines rests(GpuDevice& device, const MeasuredSizes& sizes);

}  // namespace conclave::test
