// Sampling of rows: the same on any number of threads, in the order of single steps where tokens were guessed, and the
// same bits on every processor. What is sampled is held against the plain definition in test/unit/sampler.
#include "../../native/sampler/row-sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "../../native/core/double-math.h"
#include "../../native/core/failure.h"
#include "../../native/sampler/adjust-logits.h"
#include "../../native/sampler/cutoff.h"
#include "../../native/sampler/philox.h"
#include "check.h"

using namespace conclave;
using conclave::test::Random;

namespace {

constexpr int32_t topWidth = 4;

struct Results {
  explicit Results(int32_t rows)
      : ids(static_cast<size_t>(rows), -2),
        outcomes(static_cast<size_t>(rows), -2),
        topIds(static_cast<size_t>(rows * topWidth), -2),
        logprobs(static_cast<size_t>(rows)),
        topLogprobs(static_cast<size_t>(rows * topWidth)) {}

  SamplingResult target() {
    return {ids.data(), outcomes.data(), logprobs.data(), topIds.data(), topLogprobs.data(), topWidth};
  }
  bool operator==(const Results& other) const {
    return ids == other.ids && outcomes == other.outcomes && topIds == other.topIds && logprobs == other.logprobs &&
           topLogprobs == other.topLogprobs;
  }

  std::vector<int32_t> ids, outcomes, topIds;
  std::vector<double> logprobs, topLogprobs;
};

SamplingParams randomParams(Random& random) {
  return {random.of<double>({0, 0.3, 0.7, 1, 2}),
          random.of<double>({0, 0.5, 0.9, 1}),
          random.of<int32_t>({0, 1, 7, 40, 5000}),
          random.of<double>({0, 0.01, 0.2}),
          random.of<double>({1, 1.2}),
          random.of<double>({0, 0.5}),
          random.of<double>({0, -0.5}),
          {{1, 3.5}, {0, -100}},
          random.of<int32_t>({-1, 0, topWidth})};
}

RandomKey randomKey(Random& random) { return {random.bits(), random.bits(), random.bits() & 0xffffu, 3, 0}; }

std::vector<float> randomLogits(Random& random, int32_t rows, int32_t vocab) {
  std::vector<float> logits(static_cast<size_t>(rows) * static_cast<size_t>(vocab));
  for (float& logit : logits) logit = random.value(12.0f);
  return logits;
}

Results sample(SamplingJob job, const std::vector<float>& logits, int32_t rows, int32_t vocab, int threads = 1) {
  Results results(rows);
  checkJob(job, rows, vocab, topWidth);
  ThreadPool pool(threads);
  RowSampler(vocab, threads).run(job, logits.data(), results.target(), pool);
  return results;
}

template <typename Job>
void refused(const Job& job, const char* part) {
  try {
    checkJob(job, 4, 10, topWidth);
  } catch (const Failure& failure) {
    CHECK(std::strstr(failure.what(), part) != nullptr, failure.what());
    return;
  }
  CHECK(false, std::string("was not refused: ") + part);
}

}  // namespace

TEST("rows are sampled alike on any number of threads") {
  Random random(31);
  for (int trial = 0; trial < 30; ++trial) {
    const int32_t rows = 12, vocab = random.of<int32_t>({1, 5, 255, 256, 3000});
    const std::vector<float> logits = randomLogits(random, rows, vocab);
    SamplingJob job;
    for (int32_t row = 0; row < rows; ++row) {
      if (row % 3 == 2) {
        job.scores.push_back({row, random.below(vocab), topWidth});
      } else {
        job.draws.push_back({row, {}, randomParams(random), randomKey(random), {{0, 0}, {2, 3}}});
      }
    }
    const Results alone = sample(job, logits, rows, vocab);
    for (int threads : {2, 5}) CHECK(sample(job, logits, rows, vocab, threads) == alone, "other threads");
  }
}

TEST("tokens behind right guesses are those of single steps, behind a wrong one there are none") {
  Random random(32);
  for (int trial = 0; trial < 200; ++trial) {
    const int32_t rows = 4, vocab = 8;
    const std::vector<float> logits = randomLogits(random, rows, vocab);
    const SamplingParams params = randomParams(random);
    const RandomKey key = randomKey(random);
    // One row after the other, each with the tokens before it.
    std::vector<int32_t> tokens;
    std::vector<TokenCount> counts{{5, 0}};
    for (int32_t row = 0; row < rows; ++row) {
      RandomKey next = key;
      next.position += static_cast<uint32_t>(row);
      const SamplingJob job{{{row, {}, params, next, counts}}, {}};
      const int32_t id = sample(job, logits, rows, vocab).ids[static_cast<size_t>(row)];
      const auto known = std::find_if(counts.begin(), counts.end(), [&](const TokenCount& c) { return c.id == id; });
      if (known != counts.end()) {
        ++known->generated;
      } else {
        counts.push_back({id, 1});
      }
      tokens.push_back(id);
    }
    const int32_t wrong = random.between(0, rows - 1);
    std::vector<int32_t> guesses(tokens.begin(), tokens.end() - 1);
    if (wrong < rows - 1) guesses[static_cast<size_t>(wrong)] = (tokens[static_cast<size_t>(wrong)] + 1) % vocab;
    SamplingJob job{{{0, guesses, params, key, {{5, 0}}}}, {}};
    const Results together = sample(job, logits, rows, vocab);
    for (int32_t row = 0; row < rows; ++row) {
      const bool behind = row > wrong;
      CHECK(together.ids[static_cast<size_t>(row)] == (behind ? -1 : tokens[static_cast<size_t>(row)]), "token");
      const Outcome expected = behind ? Outcome::skipped : Outcome::chosen;
      CHECK(together.outcomes[static_cast<size_t>(row)] == static_cast<int32_t>(expected), "outcome");
    }
  }
}

TEST("a row that nothing is wanted of is left alone") {
  const std::vector<float> logits(30, std::numeric_limits<float>::quiet_NaN());
  const Results results = sample({{}, {{1, 0, 0}}}, logits, 3, 10);
  CHECK(results.ids[0] == -2 && results.ids[2] == -2, "ids");
  CHECK(results.outcomes[1] == static_cast<int32_t>(Outcome::nan) && results.ids[1] == 0, "the row with NaN");
}

TEST("jobs that do not fit the rows or the vocabulary are refused") {
  const SamplingParams params{1, 1, 0, 0, 1, 0, 0, {}, -1};
  const auto changed = [&](auto change) {
    SamplingParams other = params;
    change(other);
    return SamplingJob{{{0, {}, other, {}, {}}}, {}};
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  refused(SamplingJob{{{4, {}, params, {}, {}}}, {}}, "no row 4");
  refused(SamplingJob{{{-1, {}, params, {}, {}}}, {}}, "no row -1");
  refused(SamplingJob{{{3, {1}, params, {}, {}}}, {}}, "no row 4");
  refused(SamplingJob{{{0, {10}, params, {}, {}}}, {}}, "token 10");
  refused(SamplingJob{{{0, {1}, params, {}, {}}}, {{1, 0, 0}}}, "row 1 of logits is sampled twice");
  refused(SamplingJob{{}, {{0, -1, 0}}}, "token -1");
  refused(SamplingJob{{}, {{0, 0, topWidth + 1}}}, "topLogprobs");
  refused(SamplingJob{{}, {{0, 0, -1}}}, "topLogprobs");
  refused(changed([](SamplingParams& p) { p.temperature = nan; }), "temperature");
  refused(changed([](SamplingParams& p) { p.topP = nan; }), "topP");
  refused(changed([](SamplingParams& p) { p.minP = 1.5; }), "minP");
  refused(changed([](SamplingParams& p) { p.topK = -1; }), "topK");
  refused(changed([](SamplingParams& p) { p.repetitionPenalty = 0; }), "repetitionPenalty");
  refused(changed([](SamplingParams& p) { p.presencePenalty = nan; }), "presencePenalty");
  refused(changed([](SamplingParams& p) { p.bias = {{0, nan}}; }), "logitBias");
}

TEST("Philox4x32-10 gives the published words") {
  using Words = std::array<uint32_t, 4>;
  CHECK((philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}), "zeros");
  const uint32_t ones = 0xffffffff;
  CHECK((philox4x32({ones, ones, ones, ones}, {ones, ones}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}),
        "ones");
  CHECK((philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
         Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}),
        "pi");
}

TEST("weights are e^x within 3e-14 of their size, grow with logits, and are 1 for the most likely token") {
  const Scale scale{0, 1};
  CHECK(weightOf(0, scale) == 1, "the most likely token");
  double below = 0;
  for (int32_t k = 38 * 1024; k > 0; --k) {
    const float logit = -static_cast<float>(k) / 1024;
    const double weight = weightOf(logit, scale);
    CHECK(std::fabs(weight / std::exp(static_cast<double>(logit)) - 1) < 3e-14, "weight of " + std::to_string(logit));
    CHECK(weight > below, "grows at " + std::to_string(logit));
    below = weight;
  }
  for (const float logit : {-38.001f, -1e30f, -std::numeric_limits<float>::infinity()}) {
    CHECK(weightOf(logit, scale) == 0, "what can never be drawn");
  }
}

TEST("exponential and logarithm agree with libm") {
  Random random(33);
  for (int i = 0; i < 100000; ++i) {
    const double x = static_cast<double>(random.value(700.0f));
    const double power = exponential(x);
    CHECK(std::fabs(power / std::exp(x) - 1) < 1e-15, "e^" + std::to_string(x));
    CHECK(std::fabs(logarithm(power) - std::log(power)) <= 4e-16 * std::max(1.0, std::fabs(x)),
          "ln " + std::to_string(power));
  }
  CHECK(logarithm(1) == 0, "ln 1");
}

TEST("the repetition penalty divides positive and multiplies negative logits, of prompt and answer") {
  SamplingParams params{1, 1, 0, 0, 2, 0, 0, {}, -1};
  std::vector<float> logits{2, -2, 2, 2};
  adjustLogits(logits, params, std::vector<TokenCount>{{0, 0}, {1, 2}, {3, 1}, {4, 1}, {-1, 1}});
  CHECK((logits == std::vector<float>{1, -4, 2, 1}), "logits");
}

TEST("frequency counts and presence marks tokens of the answer, not of the prompt") {
  SamplingParams params{1, 1, 0, 0, 1, 0.5, 0.25, {}, -1};
  std::vector<float> logits{1, 1, 1};
  adjustLogits(logits, params, std::vector<TokenCount>{{0, 0}, {1, 2}, {2, 1}});
  CHECK((logits == std::vector<float>{1, -0.25f, 0.25f}), "logits");
}

TEST("bias comes last and is added as often as it is given, ids outside the vocabulary change nothing") {
  SamplingParams params{1, 1, 0, 0, 4, 0, 0, {{0, -100}, {1, 100}, {1, 1}, {9, 5}, {-1, 5}}, -1};
  std::vector<float> logits{1, 4};
  adjustLogits(logits, params, std::vector<TokenCount>{{1, 0}});
  CHECK((logits == std::vector<float>{-99, 102}), "logits");
}

TEST("the cutoff is the last candidate of the shortest ranked prefix that reaches the budget") {
  Random random(35);
  for (int trial = 0; trial < 3000; ++trial) {
    // Few logits and whole amounts: many ties, and sums without rounding.
    std::vector<Candidate> candidates;
    const int32_t count = random.between(1, 60);
    for (int32_t id = 0; id < count; ++id) {
      candidates.push_back({static_cast<double>(random.below(4)), static_cast<float>(random.between(-4, 4)), id});
    }
    std::vector<Candidate> sorted = candidates;
    std::ranges::stable_sort(sorted, std::ranges::greater(), &Candidate::logit);
    const double budget = random.below(80);
    double reached = 0;
    auto last = sorted.begin();
    for (; last + 1 != sorted.end(); ++last) {
      reached += last->amount;
      if (reached >= budget) break;
    }
    CHECK(selectCutoff(candidates, budget).id == last->id, "budget " + std::to_string(budget));
  }
}

TEST("200,000 candidates are searched without comparing all with all") {
  constexpr int32_t count = 200000;
  Random random(36);
  for (int kind = 0; kind < 4; ++kind) {
    std::vector<Candidate> candidates;
    for (int32_t id = 0; id < count; ++id) {
      const float place = static_cast<float>(id);
      candidates.push_back({1, kind == 0 ? place : kind == 1 ? -place : kind == 2 ? 1 : random.value(1.0f), id});
    }
    // Quadratic would take minutes; the test's own time limit ends it.
    const Cutoff cutoff = selectCutoff(candidates, 1000);
    const auto kept =
        std::ranges::count_if(candidates, [&](const Candidate& c) { return cutoff.keeps(c.logit, c.id); });
    CHECK(kept == 1000, "kept " + std::to_string(kept));
  }
}

// Compared between processors by native.test.ts.
TEST("a digest of what is sampled") {
  Random random(34);
  constexpr uint64_t basis = 0xcbf29ce484222325, prime = 0x100000001b3;
  uint64_t digest = basis;
  const auto add = [&](uint64_t bits) { digest = (digest ^ bits) * prime; };
  for (int trial = 0; trial < 60; ++trial) {
    const int32_t vocab = random.of<int32_t>({5, 700, 20000});
    const std::vector<float> logits = randomLogits(random, 1, vocab);
    SamplingParams params = randomParams(random);
    params.topLogprobs = topWidth;
    const Results results = sample({{{0, {}, params, randomKey(random), {{2, 3}}}}, {}}, logits, 1, vocab);
    add(static_cast<uint64_t>(results.ids[0]));
    add(std::bit_cast<uint64_t>(results.logprobs[0]));
    for (const double logprob : results.topLogprobs) add(std::bit_cast<uint64_t>(logprob));
  }
  std::printf("sampled %016llx\n", static_cast<unsigned long long>(digest));
}
