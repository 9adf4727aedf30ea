// AddonSampling of addon-types.ts.
#pragma once
#include <napi.h>

#include <vector>

#include "../sampler/row-sampler.h"

namespace conclave {

/** Checked against nothing yet: see checkJob. */
struct SamplingRequest {
  int32_t rows;
  SamplingJob job;
  SamplingResult result;
  std::vector<Napi::Value> written;  // the arrays that `result` points into
};

/** Looks properties up, which may run JavaScript: before anything else is looked at. Throws Failure for bad arrays. */
SamplingRequest samplingRequestOf(const Napi::Value& value);

}  // namespace conclave
