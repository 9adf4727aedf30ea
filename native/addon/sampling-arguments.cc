#include "sampling-arguments.h"

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "constraint-objects.h"

namespace conclave {
namespace {

// Columns of `draws`, `numbers`, `counts` and `scores`.
constexpr size_t drawColumns = 12, numberColumns = 6, countColumns = 2, scoreColumns = 3;

// The elements of a typed array, taken from its front.
template <typename T>
class Reader {
 public:
  Reader(const Napi::Value& value, napi_typedarray_type type, const char* name) : name_(name) {
    const auto array = arrayOf<T>(value, type, name);
    rest_ = {array.Data(), array.ElementLength()};
  }

  std::span<const T> take(int64_t count) {
    require(count >= 0 && static_cast<size_t>(count) <= rest_.size(), std::string(name_) + " is too short");
    const std::span<const T> taken = rest_.first(static_cast<size_t>(count));
    rest_ = rest_.subspan(static_cast<size_t>(count));
    return taken;
  }
  size_t left() const { return rest_.size(); }
  void end() const { require(rest_.empty(), std::string(name_) + " is too long"); }

 private:
  const char* name_;
  std::span<const T> rest_;
};

// The arrays of an AddonSampling. All are looked up before the data of any is: a lookup may run JavaScript.
struct Arrays {
  explicit Arrays(const Napi::Object& object)
      : draws(object.Get("draws")),
        numbers(object.Get("numbers")),
        guesses(object.Get("guesses")),
        counts(object.Get("counts")),
        biasIds(object.Get("biasIds")),
        biases(object.Get("biases")),
        scores(object.Get("scores")),
        constraints(object.Get("constraints")),
        ids(object.Get("ids")),
        outcomes(object.Get("outcomes")),
        logprobs(object.Get("logprobs")),
        topIds(object.Get("topIds")),
        topLogprobs(object.Get("topLogprobs")) {}

  Napi::Value draws, numbers, guesses, counts, biasIds, biases, scores, constraints;
  Napi::Value ids, outcomes, logprobs, topIds, topLogprobs;
};

class JobReader {
 public:
  JobReader(const Arrays& arrays, std::vector<ConstraintState> constraints)
      : constraints_(std::move(constraints)),
        draws_(arrays.draws, napi_int32_array, "draws"),
        numbers_(arrays.numbers, napi_float64_array, "numbers"),
        guesses_(arrays.guesses, napi_int32_array, "guesses"),
        counts_(arrays.counts, napi_int32_array, "counts"),
        biasIds_(arrays.biasIds, napi_int32_array, "biasIds"),
        biases_(arrays.biases, napi_float64_array, "biases"),
        scores_(arrays.scores, napi_int32_array, "scores") {}

  SamplingJob read() {
    SamplingJob job;
    while (draws_.left() > 0) job.draws.push_back(draw());
    while (scores_.left() > 0) {
      const auto score = scores_.take(scoreColumns);
      job.scores.push_back({score[0], score[1], score[2]});
    }
    numbers_.end();
    guesses_.end();
    counts_.end();
    biasIds_.end();
    biases_.end();
    return job;
  }

 private:
  TokenDraw draw() {
    const auto integer = draws_.take(drawColumns);
    const auto number = numbers_.take(numberColumns);
    const auto word = [&](size_t column) { return static_cast<uint32_t>(integer[column]); };
    const auto guesses = guesses_.take(integer[1]);
    TokenDraw draw{
        integer[0],
        {guesses.begin(), guesses.end()},
        {number[0], number[1], integer[4], number[2], number[3], number[4], number[5], biases(integer[3]), integer[5]},
        {word(9), word(10), word(7), word(6), word(8)},
        {},
        constraint(integer[11])};
    const auto counts = counts_.take(int64_t{integer[2]} * int64_t{countColumns});
    draw.counts.reserve(counts.size() / countColumns + guesses.size());
    for (size_t at = 0; at < counts.size(); at += countColumns) draw.counts.push_back({counts[at], counts[at + 1]});
    return draw;
  }

  std::optional<ConstraintState> constraint(int32_t index) const {
    if (index < 0) return std::nullopt;
    require(static_cast<size_t>(index) < constraints_.size(), "there is no such constraint");
    return constraints_[static_cast<size_t>(index)];
  }

  std::vector<LogitBias> biases(int32_t count) {
    const auto ids = biasIds_.take(count);
    const auto values = biases_.take(count);
    std::vector<LogitBias> biases;
    for (size_t at = 0; at < ids.size(); ++at) biases.push_back({ids[at], values[at]});
    return biases;
  }

  std::vector<ConstraintState> constraints_;
  Reader<int32_t> draws_;
  Reader<double> numbers_;
  Reader<int32_t> guesses_, counts_, biasIds_;
  Reader<double> biases_;
  Reader<int32_t> scores_;
};

int32_t elementsIn(const Napi::Value& value, const char* name) {
  const size_t elements = arrayOf<int32_t>(value, napi_int32_array, name).ElementLength();
  require(elements <= static_cast<size_t>(std::numeric_limits<int32_t>::max()), std::string(name) + " is too long");
  return static_cast<int32_t>(elements);
}

}  // namespace

SamplingRequest samplingRequestOf(const Napi::Value& value) {
  const Arrays arrays(objectOf(value, "sampling"));
  SamplingRequest request;
  // Their elements are looked up, which may run JavaScript, before the data of any array is.
  std::vector<ConstraintState> constraints = ConstraintObject::statesOf(arrays.constraints);
  request.job = JobReader(arrays, std::move(constraints)).read();
  request.written = {arrays.ids, arrays.outcomes, arrays.logprobs, arrays.topIds, arrays.topLogprobs};
  const int32_t rows = elementsIn(arrays.ids, "ids");
  const int32_t topWidth = rows == 0 ? 0 : elementsIn(arrays.topIds, "topIds") / rows;
  request.rows = rows;
  request.result = {elementsOf<int32_t>(arrays.ids, napi_int32_array, "ids", rows),
                    elementsOf<int32_t>(arrays.outcomes, napi_int32_array, "outcomes", rows),
                    elementsOf<double>(arrays.logprobs, napi_float64_array, "logprobs", rows),
                    elementsOf<int32_t>(arrays.topIds, napi_int32_array, "topIds", int64_t{rows} * topWidth),
                    elementsOf<double>(arrays.topLogprobs, napi_float64_array, "topLogprobs", int64_t{rows} * topWidth),
                    topWidth};
  return request;
}

}  // namespace conclave
