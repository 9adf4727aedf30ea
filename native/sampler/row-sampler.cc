#include "row-sampler.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <string>

#include "../core/failure.h"
#include "../core/flush-denormals.h"

namespace conclave {
namespace {

// Of the tokens of a prompt and its answer.
constexpr int32_t mostAlternatives = 1 << 16;

void checkRow(std::vector<bool>& used, int32_t row) {
  require(row >= 0 && static_cast<size_t>(row) < used.size(),
          "there is no row " + std::to_string(row) + " of logits to sample");
  require(!used[static_cast<size_t>(row)], "row " + std::to_string(row) + " of logits is sampled twice");
  used[static_cast<size_t>(row)] = true;
}

void checkTop(int32_t top, int32_t least, int32_t width) {
  require(top >= least && top <= std::min(width, mostAlternatives), "topLogprobs must be " + std::to_string(least) +
                                                                        " to " + std::to_string(width) + " but is " +
                                                                        std::to_string(top));
}

void checkToken(int32_t id, int32_t vocab) {
  require(id >= 0 && id < vocab,
          "token " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocab));
}

void checkParams(const SamplingParams& params) {
  require(params.temperature >= 0 && std::isfinite(params.temperature), "temperature must be a number of 0 or more");
  require(params.topP >= 0 && params.topP <= 1, "topP must be 0 to 1");
  require(params.minP >= 0 && params.minP <= 1, "minP must be 0 to 1");
  require(params.topK >= 0, "topK must be 0 or more");
  require(params.repetitionPenalty > 0 && std::isfinite(params.repetitionPenalty),
          "repetitionPenalty must be a number above 0");
  require(std::isfinite(params.frequencyPenalty) && std::isfinite(params.presencePenalty),
          "frequencyPenalty and presencePenalty must be numbers");
  for (const LogitBias& bias : params.bias) require(!std::isnan(bias.value), "logitBias must be numbers");
}

// By penalties of the next row: `id` is one more token of the answer.
void count(std::vector<TokenCount>& counts, int32_t id) {
  const auto known = std::find_if(counts.begin(), counts.end(), [&](const TokenCount& each) { return each.id == id; });
  if (known != counts.end()) {
    ++known->generated;
  } else {
    counts.push_back({id, 1});
  }
}

RandomKey keyAt(RandomKey key, size_t row) {
  key.position += static_cast<uint32_t>(row);
  return key;
}

// Takes note of a guess that was right.
void follow(TokenDraw& draw, int32_t id) {
  count(draw.counts, id);
  if (draw.constraint.has_value()) draw.constraint->push(id);
}

// Tokens that may be chosen, empty for all; nothing when that cannot be found out.
std::optional<std::span<const uint64_t>> allowedBy(const std::optional<ConstraintState>& constraint,
                                                   SamplerScratch& scratch) {
  if (!constraint.has_value()) return std::span<const uint64_t>();
  try {
    if (!constraint->mask(scratch.allowed)) return std::nullopt;
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
  return scratch.allowed;
}

LogprobTarget targetOf(const SamplingResult& result, int32_t row, int32_t top) {
  const size_t first = static_cast<size_t>(row) * static_cast<size_t>(result.topWidth);
  const size_t count = static_cast<size_t>(std::max(top, 0));
  return {result.logprobs + row, {result.topIds + first, count}, {result.topLogprobs + first, count}};
}

void put(const SamplingResult& result, int32_t row, const Sampled& sampled) {
  result.ids[row] = sampled.id;
  result.outcomes[row] = static_cast<int32_t>(sampled.outcome);
}

}  // namespace

void checkJob(const SamplingJob& job, int32_t rows, int32_t vocab, int32_t topWidth) {
  std::vector<bool> used(static_cast<size_t>(rows));
  for (const TokenDraw& draw : job.draws) {
    checkRow(used, draw.row);
    for (size_t guess = 0; guess < draw.guesses.size(); ++guess) {
      checkRow(used, draw.row + 1 + static_cast<int32_t>(guess));
      checkToken(draw.guesses[guess], vocab);
    }
    checkParams(draw.params);
    require(!draw.constraint.has_value() || draw.constraint->vocabulary().vocab() == vocab,
            "a constraint is of another vocabulary");
    checkTop(draw.params.topLogprobs, -1, topWidth);
  }
  for (const TokenScore& score : job.scores) {
    checkRow(used, score.row);
    checkToken(score.id, vocab);
    checkTop(score.topLogprobs, 0, topWidth);
  }
}

RowSampler::RowSampler(int32_t vocab, int threads) : vocab_(vocab) {
  scratch_.reserve(static_cast<size_t>(threads));
  for (int thread = 0; thread < threads; ++thread) scratch_.emplace_back(vocab);
}

std::span<const float> RowSampler::rowOf(const float* logits, int32_t row) const {
  return {logits + int64_t{row} * vocab_, static_cast<size_t>(vocab_)};
}

void RowSampler::run(SamplingJob& job, const float* logits, const SamplingResult& result, ThreadPool& pool) {
  const int32_t draws = static_cast<int32_t>(job.draws.size()), scores = static_cast<int32_t>(job.scores.size());
  pool.run(draws + scores, [&](int32_t item, int thread) {
    const KeepDenormals keep;
    SamplerScratch& scratch = scratch_[static_cast<size_t>(thread)];
    if (item < draws) {
      draw(job.draws[static_cast<size_t>(item)], logits, result, scratch);
      return;
    }
    const auto& [row, id, top] = job.scores[static_cast<size_t>(item - draws)];
    put(result, row, scoreToken(rowOf(logits, row), id, targetOf(result, row, top), scratch));
  });
}

void RowSampler::draw(TokenDraw& draw, const float* logits, const SamplingResult& result,
                      SamplerScratch& scratch) const {
  const auto& [first, guesses, params, key, unused, constraint] = draw;
  bool right = true;
  for (size_t at = 0; at <= guesses.size(); ++at) {
    const int32_t row = first + static_cast<int32_t>(at);
    if (!right) {
      put(result, row, {Outcome::skipped, -1});
      continue;
    }
    const LogprobTarget target = targetOf(result, row, params.topLogprobs);
    const std::optional<std::span<const uint64_t>> allowed = allowedBy(constraint, scratch);
    const Sampled sampled = allowed.has_value() ? sampleToken(rowOf(logits, row), params, draw.counts, *allowed,
                                                              keyAt(key, at), target, scratch)
                                                : Sampled{Outcome::tooCostly, -1};
    put(result, row, sampled);
    right = at < guesses.size() && sampled.outcome == Outcome::chosen && sampled.id == guesses[at];
    if (right) follow(draw, sampled.id);
  }
}

}  // namespace conclave
