#include "experts.h"

#include <algorithm>

namespace conclave {
namespace {

// An item's sums, [rows, panels * 32] f32, stay in the first-level or second-level cache.
constexpr int32_t rowsAtOnce = 96;
constexpr int32_t panelsAtOnce = 8;
// Long enough that handing out an item costs nothing, short enough that threads finish together.
constexpr int64_t bytesPerItem = 256 * 1024;

}  // namespace

Experts::Experts(const ModelShape& shape, const Kernels& kernels, int32_t maxRows, int threads)
    : shape_(shape),
      kernels_(kernels),
      placeOf_(static_cast<size_t>(maxRows) * static_cast<size_t>(shape.topK)),
      expertBegin_(static_cast<size_t>(shape.experts) + 1),
      next_(static_cast<size_t>(shape.experts)),
      input_(placeOf_.size()),
      inner_(activationType(shape.dtype), static_cast<int64_t>(placeOf_.size()), shape.ffn),
      output_(activationType(shape.dtype), static_cast<int64_t>(placeOf_.size()), shape.dModel),
      sums_(static_cast<size_t>(threads), std::vector<float>(rowsAtOnce * panelsAtOnce * panelOutputs)) {
  items_.reserve(static_cast<size_t>(shape.experts * std::max(panelCount(shape.ffn), panelCount(shape.dModel))));
}

void Experts::run(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots, const ActivationRows& h,
                  ThreadPool& pool) {
  groupByExpert(slots, h);
  const auto sums = [&](int thread) { return sums_[static_cast<size_t>(thread)].data(); };

  // A w1 panel and its v1 panel are one unit here: they lie side by side and are gated together.
  const int64_t gateUpBytes = 2 * panelBytes(shape_.dtype, shape_.dModel);
  cutItems(panelCount(shape_.ffn), gateUpBytes, pool.threads());
  pool.run(static_cast<int32_t>(items_.size()), [&](int32_t i, int thread) {
    const Item& item = items_[static_cast<size_t>(i)];
    gateUp(item, weights.expert(layer, item.expert).gateUp + item.firstPanel * gateUpBytes, sums(thread));
  });

  const int64_t downBytes = panelBytes(shape_.dtype, shape_.ffn);
  cutItems(panelCount(shape_.dModel), downBytes, pool.threads());
  pool.run(static_cast<int32_t>(items_.size()), [&](int32_t i, int thread) {
    const Item& item = items_[static_cast<size_t>(i)];
    down(item, weights.expert(layer, item.expert).down + item.firstPanel * downBytes, sums(thread));
  });
}

void Experts::groupByExpert(const ExpertSlots& slots, const ActivationRows& h) {
  std::fill(expertBegin_.begin(), expertBegin_.end(), 0);
  for (int32_t expert : slots.experts) ++expertBegin_[static_cast<size_t>(expert) + 1];
  for (size_t e = 1; e < expertBegin_.size(); ++e) expertBegin_[e] += expertBegin_[e - 1];
  next_.assign(expertBegin_.begin(), expertBegin_.end() - 1);
  for (size_t i = 0; i < slots.experts.size(); ++i) {
    const int32_t place = next_[static_cast<size_t>(slots.experts[i])]++;
    placeOf_[i] = place;
    input_[static_cast<size_t>(place)] = h.row(slots.rows[i]);
  }
}

void Experts::cutItems(int64_t panels, int64_t bytesPerPanel, int threads) {
  const int64_t fair = (panels + threads - 1) / threads;
  const int32_t atOnce = static_cast<int32_t>(
      std::clamp<int64_t>(bytesPerItem / bytesPerPanel, 1, std::min<int64_t>(fair, panelsAtOnce / 2)));
  items_.clear();
  for (int32_t e = 0; e < shape_.experts; ++e) {
    const int32_t begin = expertBegin_[static_cast<size_t>(e)], end = expertBegin_[static_cast<size_t>(e) + 1];
    for (int32_t p = 0; begin < end && p < panels; p += atOnce) {
      items_.push_back({e, begin, end - begin, p, std::min(atOnce, static_cast<int32_t>(panels) - p)});
    }
  }
}

// inner[place] = silu(w1 h) * (v1 h) for the item's outputs.
void Experts::gateUp(const Item& item, const std::byte* panels, float* sums) {
  const int32_t width = item.panels * 2 * panelOutputs;
  const Panels w{panels, shape_.dtype, panelBytes(shape_.dtype, shape_.dModel),
                 static_cast<int32_t>(paddedInputs(shape_.dModel)), width};
  for (int32_t done = 0; done < item.places; done += rowsAtOnce) {
    const int32_t first = item.firstPlace + done, rows = std::min(rowsAtOnce, item.places - done);
    kernels_.matmul(w, input_.data() + first, rows, sums, width);
    for (int32_t p = 0; p < item.panels; ++p) {
      const float* gate = sums + p * 2 * panelOutputs;
      const int32_t output = (item.firstPanel + p) * panelOutputs;
      kernels_.gateRows(gate, gate + panelOutputs, width, rows, std::min(panelOutputs, shape_.ffn - output),
                        inner_.target(first, output));
    }
  }
}

// output[place] = w2 inner[place] for the item's outputs.
void Experts::down(const Item& item, const std::byte* panels, float* sums) {
  const int32_t output = item.firstPanel * panelOutputs;
  const int32_t outputs = std::min(item.panels * panelOutputs, shape_.dModel - output);
  const Panels w{panels, shape_.dtype, panelBytes(shape_.dtype, shape_.ffn),
                 static_cast<int32_t>(paddedInputs(shape_.ffn)), outputs};
  for (int32_t done = 0; done < item.places; done += rowsAtOnce) {
    const int32_t first = item.firstPlace + done, rows = std::min(rowsAtOnce, item.places - done);
    kernels_.matmul(w, inner_.rows() + first, rows, sums, outputs);
    kernels_.storeRows(sums, outputs, rows, outputs, output_.target(first, output));
  }
}

}  // namespace conclave
