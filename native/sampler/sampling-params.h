// What a request wants of the choice of its next token (infra/messages/generation-request.ts), and which random number
// decides it.
#pragma once
#include <cstdint>
#include <vector>

namespace conclave {

struct LogitBias {
  int32_t id;
  double value;
};

// A token of the prompt or the answer; `generated` counts it in the answer alone.
struct TokenCount {
  int32_t id, generated;
};

struct SamplingParams {
  double temperature;  // 0 is greedy
  double topP;         // 1 keeps all
  int32_t topK;        // 0 keeps all
  double minP;         // 0 keeps all
  double repetitionPenalty, frequencyPenalty, presencePenalty;
  std::vector<LogitBias> bias;
  int32_t topLogprobs;  // alternatives reported with the token's log-probability; -1: no log-probabilities
};

// Names one random number of a request: the same name gives the same number on every machine.
struct RandomKey {
  uint32_t seedLow, seedHigh, position, choice, purpose;
};

}  // namespace conclave
