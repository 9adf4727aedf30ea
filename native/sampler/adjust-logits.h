// Penalties, bias and token masks: what a request changes in the model's logits before anything is chosen.
#pragma once
#include <cstdint>
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

/**
 * Overwrites logits [vocab] of tokens whose bit in `allowed` [ceil(vocab / 64)] is 0 with -infinity. The same before
 * and behind penalties and bias, none of which make a token possible; behind, as penalties keep logits finite.
 */
void keepAllowed(std::span<float> logits, std::span<const uint64_t> allowed);

}  // namespace conclave
