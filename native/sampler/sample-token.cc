#include "sample-token.h"

#include <cmath>
#include <optional>

#include "adjust-logits.h"
#include "cutoff.h"
#include "draw-token.h"
#include "philox.h"

namespace conclave {
namespace {

Outcome faultOf(float logit) {
  if (std::isnan(logit)) return Outcome::nan;
  return logit > 0 ? Outcome::infinity : Outcome::minusInfinity;
}

std::optional<Sampled> fault(const LogitRow& row) {
  const std::optional<int32_t> id = row.firstNotFinite();
  if (!id.has_value()) return std::nullopt;
  return Sampled{faultOf(row[*id]), *id};
}

Sampled choose(const LogitRow& row, const SamplingParams& params, const RandomKey& key, SamplerScratch& scratch) {
  const int32_t best = row.best();
  if (!std::isfinite(row[best])) return {Outcome::nothingToChoose, best};
  if (params.temperature == 0) return {Outcome::chosen, best};
  const Scale scale{row[best], params.temperature};
  const Cutoff cutoff = truncate(row, params, scale, scratch);
  return {Outcome::chosen, drawToken(row, cutoff, uniform(key), scratch)};
}

}  // namespace

Sampled sampleToken(std::span<const float> logits, const SamplingParams& params, std::span<const TokenCount> counts,
                    std::span<const uint64_t> allowed, const RandomKey& key, const LogprobTarget& logprobs,
                    SamplerScratch& scratch) {
  const LogitRow row(logits, scratch.largest);
  if (const auto faulty = fault(row)) return *faulty;
  Sampled sampled;
  if (adjustsLogits(params) || !allowed.empty()) {
    scratch.adjusted.assign(logits.begin(), logits.end());
    adjustLogits(scratch.adjusted, params, counts);
    if (!allowed.empty()) keepAllowed(scratch.adjusted, allowed);
    sampled = choose(LogitRow(scratch.adjusted, scratch.adjustedLargest), params, key, scratch);
  } else {
    sampled = choose(row, params, key, scratch);
  }
  if (sampled.outcome == Outcome::chosen && params.topLogprobs >= 0) tokenLogprobs(row, sampled.id, logprobs, scratch);
  return sampled;
}

Sampled scoreToken(std::span<const float> logits, int32_t id, const LogprobTarget& logprobs, SamplerScratch& scratch) {
  const LogitRow row(logits, scratch.largest);
  if (const auto faulty = fault(row)) return *faulty;
  tokenLogprobs(row, id, logprobs, scratch);
  return {Outcome::chosen, id};
}

}  // namespace conclave
