// Penalties and bias: what a request changes in the model's logits before anything is chosen.
#pragma once
#include <span>

#include "sampling-params.h"

namespace conclave {

/** True when a request changes the logits at all. */
bool adjustsLogits(const SamplingParams& params);

/**
 * Overwrites logits [vocab], each step rounded to f32: the repetition penalty (l / penalty where l > 0, else l *
 * penalty) for every token of the prompt or the answer; l - generated * frequency - presence for those of the answer;
 * then the bias, so that nothing scales what the client asked for. Finite logits stay finite under penalties. Ids
 * outside the vocabulary change nothing.
 */
void adjustLogits(std::span<float> logits, const SamplingParams& params, std::span<const TokenCount> counts);

}  // namespace conclave
