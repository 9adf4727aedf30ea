// e^((l - largest) / temperature): a token's probability relative to that of the most likely one. A table and a short
// series, the same bits on every machine; over a block at a time, which the compiler vectorises.
#pragma once
#include <cstdint>
#include <span>

#include "logit-row.h"

namespace conclave {

/** e^-38 is below 2^-54: such a token cannot be told from an impossible one by a number of 53 bits. */
constexpr double minLogWeight = -38;

/** Steps of the table per unit of the exponent, and of all exponents down to minLogWeight. */
constexpr int32_t stepsPerUnit = 64;
constexpr int32_t weightSteps = 38 * stepsPerUnit + 1;

/** How logits become exponents: (logit - largest) / temperature, at most 0. */
struct Scale {
  double largest, temperature;

  double exponent(float logit) const { return (logit - largest) / temperature; }
};

/**
 * Of a block's tokens the weights, within 3e-14 of their size and 0 below minLogWeight, and where their exponents lie:
 * -exponent * stepsPerUnit to the nearest, which never falls as logits fall. weights, steps: [blockTokens]; behind
 * logits.size() the weights become 0.
 */
void weigh(std::span<const float> logits, const Scale& scale, double* weights, int32_t* steps);

/** The same of one token. */
double weightOf(float logit, const Scale& scale);
int32_t stepOf(float logit, const Scale& scale);

/** Sum of a block's numbers [blockTokens], over 8 lanes and a fixed tree: the same bits however it is vectorised. */
double sumOf(const double* numbers);

}  // namespace conclave
