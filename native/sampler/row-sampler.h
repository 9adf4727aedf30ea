// Samples the logits of a step where they are, on the session's threads. In: logits, and what is wanted of each
// sequence's rows. Out: small arrays.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../constraint/constraint-state.h"
#include "../core/thread-pool.h"
#include "sample-token.h"

namespace conclave {

/**
 * The next tokens of one sequence: row `row` gives the first, each further row the one behind a guess, as long as the
 * guesses are right. The tokens are those of single steps.
 */
struct TokenDraw {
  int32_t row;
  std::vector<int32_t> guesses;
  SamplingParams params;
  RandomKey key;  // of the first token; positions ascend
  // The tokens before, empty where no penalty needs them. Has capacity for the guesses, which are counted as they turn
  // out right.
  std::vector<TokenCount> counts;
  // What the tokens must match, where that is anything; follows the guesses as they turn out right.
  std::optional<ConstraintState> constraint = std::nullopt;
};

/** How likely a known token is. */
struct TokenScore {
  int32_t row, id, topLogprobs;
};

/** What is wanted of a step's rows of logits. */
struct SamplingJob {
  std::vector<TokenDraw> draws;
  std::vector<TokenScore> scores;
};

/** By row of logits; for rows that nothing is wanted of, nothing is written. */
struct SamplingResult {
  int32_t* ids;         // [rows]
  int32_t* outcomes;    // [rows]: Outcome
  double* logprobs;     // [rows], where asked for
  int32_t* topIds;      // [rows, topWidth]; each row uses as many as it asks for
  double* topLogprobs;  // [rows, topWidth]
  int32_t topWidth;
};

/** Throws Failure invalidArgument unless every row and token exists, rows are used once, and the numbers make sense. */
void checkJob(const SamplingJob& job, int32_t rows, int32_t vocab, int32_t topWidth);

class RowSampler {
 public:
  /** Reserves memory for each thread; throws bad_alloc. */
  RowSampler(int32_t vocab, int threads);

  /** Samples logits [rows, vocab]. The pool has the threads that were reserved for; the job is a checked one. */
  void run(SamplingJob& job, const float* logits, const SamplingResult& result, ThreadPool& pool);

 private:
  void draw(TokenDraw& draw, const float* logits, const SamplingResult& result, SamplerScratch& scratch) const;
  std::span<const float> rowOf(const float* logits, int32_t row) const;

  int32_t vocab_;
  std::vector<SamplerScratch> scratch_;  // [threads]
};

}  // namespace conclave
