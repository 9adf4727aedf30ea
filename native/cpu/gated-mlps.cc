#include "gated-mlps.h"

#include <algorithm>

namespace conclave {
namespace {

// An item's sums, [rows, panels * 32] f32, stay in the first-level or second-level cache.
constexpr int32_t rowsAtOnce = 96;
constexpr int32_t panelsAtOnce = 8;
// Long enough that handing out an item costs nothing, short enough that threads finish together.
constexpr int64_t bytesPerItem = 256 * 1024;
// Rows whose groups a thread sums at a time.
constexpr int32_t placesAtATime = 16;

TargetRows part(const TargetRows& rows, int32_t firstRow, int32_t column) {
  return {rows.data + firstRow * rows.stride + column * static_cast<int64_t>(bytesPerWeight(rows.type)), rows.stride,
          rows.type};
}

}  // namespace

GatedMlps::GatedMlps(const ModelShape& shape, const Kernels& kernels, const Limits& limits, int threads)
    : dModel_(shape.dModel),
      kernels_(kernels),
      placeOf_(static_cast<size_t>(limits.slots)),
      expertOf_(placeOf_.size()),
      expertBegin_(static_cast<size_t>(limits.experts) + 1),
      next_(static_cast<size_t>(limits.experts)),
      input_(placeOf_.size()),
      weights_(next_.size()),
      inner_(shape.activations, limits.slots, limits.width),
      groupSums_(limits.slots, std::max(shape.dModel, limits.width)),
      sums_(static_cast<size_t>(threads), std::vector<float>(rowsAtOnce * panelsAtOnce * panelOutputs)) {
  const int64_t panels = std::max(panelCount(limits.width), panelCount(shape.dModel));
  items_.reserve(static_cast<size_t>(std::min(limits.experts, limits.slots) * panels));
}

void GatedMlps::compute(const GatedMlp& mlp, const WeightFormat& format, const TargetRows& out, ThreadPool& pool) {
  const auto sums = [&](int thread) { return sums_[static_cast<size_t>(thread)].data(); };

  sumGroups(&MlpWeights::gateUp, input_.data(), dModel_, pool);
  // A gate panel and its up panel are one unit here: they lie side by side and are gated together.
  cutItems(panelCount(mlp.width), 2 * panelBytes(format, dModel_), pool.threads());
  pool.run(static_cast<int32_t>(items_.size()),
           [&](int32_t i, int thread) { gateUp(mlp, items_[static_cast<size_t>(i)], sums(thread)); });

  sumGroups(&MlpWeights::down, inner_.rows(), mlp.width, pool);
  cutItems(panelCount(dModel_), panelBytes(format, mlp.width), pool.threads());
  pool.run(static_cast<int32_t>(items_.size()),
           [&](int32_t i, int thread) { down(mlp, items_[static_cast<size_t>(i)], out, sums(thread)); });
}

void GatedMlps::groupByExpert(const ExpertSlots& slots, const ActivationRows& h) {
  std::fill(expertBegin_.begin(), expertBegin_.end(), 0);
  for (int32_t expert : slots.experts) ++expertBegin_[static_cast<size_t>(expert) + 1];
  for (size_t e = 1; e < expertBegin_.size(); ++e) expertBegin_[e] += expertBegin_[e - 1];
  next_.assign(expertBegin_.begin(), expertBegin_.end() - 1);
  for (size_t i = 0; i < slots.experts.size(); ++i) {
    const int32_t place = next_[static_cast<size_t>(slots.experts[i])]++;
    placeOf_[i] = place;
    expertOf_[static_cast<size_t>(place)] = slots.experts[i];
    input_[static_cast<size_t>(place)] = h.row(slots.rows[i]);
  }
}

void GatedMlps::sumGroups(Weight MlpWeights::*matrix, const void* const* rows, int32_t inputs, ThreadPool& pool) {
  const int32_t places = expertBegin_.back();
  const auto formatOf = [&](int32_t place) -> const WeightFormat& {
    return (weights_[static_cast<size_t>(expertOf_[static_cast<size_t>(place)])].*matrix).format;
  };
  bool needed = false;
  for (int32_t place = 0; place < places && !needed; ++place) needed = formatOf(place).affine();
  if (!needed) return;
  pool.run((places + placesAtATime - 1) / placesAtATime, [&](int32_t item, int) {
    const int32_t end = std::min(places, (item + 1) * placesAtATime);
    for (int32_t place = item * placesAtATime; place < end; ++place) {
      const WeightFormat& format = formatOf(place);
      if (format.affine()) groupSums_.set(kernels_, place, rows[place], inner_.type(), inputs, format);
    }
  });
}

void GatedMlps::cutItems(int64_t panels, int64_t bytesPerPanel, int threads) {
  const int64_t fair = (panels + threads - 1) / threads;
  const int32_t atOnce = static_cast<int32_t>(
      std::clamp<int64_t>(bytesPerItem / bytesPerPanel, 1, std::min<int64_t>(fair, panelsAtOnce / 2)));
  items_.clear();
  for (size_t e = 0; e < weights_.size(); ++e) {
    const int32_t begin = expertBegin_[e], end = expertBegin_[e + 1];
    for (int32_t p = 0; begin < end && p < panels; p += atOnce) {
      items_.push_back(
          {static_cast<int32_t>(e), begin, end - begin, p, std::min(atOnce, static_cast<int32_t>(panels) - p)});
    }
  }
}

// inner[place] = activation(gate h) * (up h) for the item's outputs.
void GatedMlps::gateUp(const GatedMlp& mlp, const Item& item, float* sums) {
  const MlpWeights& weights = weights_[static_cast<size_t>(item.expert)];
  const int64_t stride = panelBytes(weights.gateUp.format, dModel_);
  const int32_t width = item.panels * 2 * panelOutputs;
  const Panels w{weights.gateUp.data + 2 * item.firstPanel * stride, weights.gateUp.format, stride,
                 static_cast<int32_t>(paddedInputs(dModel_)), width};
  for (int32_t done = 0; done < item.places; done += rowsAtOnce) {
    const int32_t first = item.firstPlace + done, rows = std::min(rowsAtOnce, item.places - done);
    kernels_.matmul(w, {input_.data() + first, inner_.type(), groupSums_.rows(first)}, rows, sums, width);
    if (weights.gateBias != nullptr) addGateBias(item, mlp.width, rows, sums);
    for (int32_t p = 0; p < item.panels; ++p) {
      const float* gate = sums + p * 2 * panelOutputs;
      const int32_t output = (item.firstPanel + p) * panelOutputs;
      kernels_.gateRows(mlp.activation, gate, gate + panelOutputs, width, rows,
                        std::min(panelOutputs, mlp.width - output), inner_.target(first, output));
    }
  }
}

void GatedMlps::addGateBias(const Item& item, int32_t width, int32_t rows, float* sums) const {
  const MlpWeights& weights = weights_[static_cast<size_t>(item.expert)];
  for (int32_t r = 0; r < rows; ++r) {
    for (int32_t p = 0; p < item.panels; ++p) {
      const int32_t output = (item.firstPanel + p) * panelOutputs, outputs = std::min(panelOutputs, width - output);
      float* gate = sums + int64_t{r * item.panels + p} * 2 * panelOutputs;
      kernels_.add(gate, weights.gateBias + output, outputs);
      kernels_.add(gate + panelOutputs, weights.upBias + output, outputs);
    }
  }
}

// out[place] = down inner[place] for the item's outputs.
void GatedMlps::down(const GatedMlp& mlp, const Item& item, const TargetRows& out, float* sums) {
  const MlpWeights& weights = weights_[static_cast<size_t>(item.expert)];
  const int64_t stride = panelBytes(weights.down.format, mlp.width);
  const int32_t output = item.firstPanel * panelOutputs;
  const int32_t outputs = std::min(item.panels * panelOutputs, dModel_ - output);
  const Panels w{weights.down.data + item.firstPanel * stride, weights.down.format, stride,
                 static_cast<int32_t>(paddedInputs(mlp.width)), outputs};
  for (int32_t done = 0; done < item.places; done += rowsAtOnce) {
    const int32_t first = item.firstPlace + done, rows = std::min(rowsAtOnce, item.places - done);
    kernels_.matmul(w, {inner_.rows() + first, inner_.type(), groupSums_.rows(first)}, rows, sums, outputs);
    for (int32_t r = 0; weights.downBias != nullptr && r < rows; ++r) {
      kernels_.add(sums + int64_t{r} * outputs, weights.downBias + output, outputs);
    }
    kernels_.storeRows(sums, outputs, rows, outputs, part(out, first, output));
  }
}

}  // namespace conclave
