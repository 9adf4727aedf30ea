#include "expert-tables.h"

#include <algorithm>

namespace conclave {
namespace {

constexpr WeightRole roles[] = {WeightRole::gateUp, WeightRole::down, WeightRole::gateBias, WeightRole::upBias,
                                WeightRole::downBias};
constexpr int64_t offsetUnit = 16;

}  // namespace

ExpertTables::ExpertTables(GpuDevice& device, const ModelDescription& description)
    : experts_(description.shape().experts), layers_(static_cast<size_t>(description.layers())) {
  const int64_t tableBytes = experts_ * entryBytes;
  int64_t bytes = entryBytes;
  for (int32_t layer = 0; layer < description.layers(); ++layer) {
    if (description.block(layer).moe() == nullptr) continue;
    for (const WeightRole role : roles) {
      layers_[static_cast<size_t>(layer)][expertRole(role)].table = {nullptr, bytes, tableBytes};
      bytes += tableBytes;
    }
  }
  tables_ = device.allocate(bytes);
  for (auto& layer : layers_) {
    for (Role& role : layer) role.table.buffer = tables_.get();
  }
}

void ExpertTables::fill(const ModelWeights& weights, const WeightMemory& memory) {
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    for (const WeightRole name : roles) {
      Role& role = layers_[layer][expertRole(name)];
      if (role.table.bytes > 0) fill(role, weights, memory, static_cast<int32_t>(layer), name);
    }
  }
}

void ExpertTables::fill(Role& role, const ModelWeights& weights, const WeightMemory& memory, int32_t layer,
                        WeightRole name) const {
  role.buffers.clear();
  auto* entries = reinterpret_cast<int32_t*>(role.table.buffer->contents() + role.table.offset);
  for (int32_t expert = 0; expert < experts_; ++expert) {
    const Weight& weight = weights.ofExpert(layer, expert, name);
    entries[2 * expert] = -1;
    entries[2 * expert + 1] = 0;
    if (weight.data == nullptr) continue;
    role.format = weight.format;
    const GpuView view = memory.view(weight.data, weight.bytes);
    require(view.offset % offsetUnit == 0, "an expert's weights do not begin at a multiple of 16 bytes");
    auto buffer = std::find_if(role.buffers.begin(), role.buffers.end(),
                               [&](const GpuView& known) { return known.buffer == view.buffer; });
    if (buffer == role.buffers.end()) buffer = role.buffers.insert(buffer, {view.buffer, 0, view.buffer->bytes()});
    entries[2 * expert] = static_cast<int32_t>(buffer - role.buffers.begin());
    entries[2 * expert + 1] = static_cast<int32_t>(view.offset / offsetUnit);
  }
}

}  // namespace conclave
