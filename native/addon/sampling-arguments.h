// AddonSampling of addon-types.ts.
#pragma once
#include <napi.h>

#include <vector>

#include "../sampler/row-sampler.h"

namespace conclave {

struct SamplingRequest {
  int32_t rows;
  SamplingJob job;
  SamplingResult result;
  std::vector<Napi::Value> written;  // the arrays that `result` points into
};

/** Throws Failure where something does not fit together, or a model of `vocab` tokens. */
SamplingRequest samplingRequestOf(const Napi::Value& value, int32_t vocab);

}  // namespace conclave
