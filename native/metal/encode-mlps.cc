#include "encode-mlps.h"

#include <algorithm>

#include "../core/failure.h"
#include "../core/panel-layout.h"

namespace conclave {
namespace {

int32_t padded(int32_t inputs) { return static_cast<int32_t>(paddedInputs(inputs)); }

ExpertArguments gateUpArguments(const GatedMlp& mlp, int32_t dModel, int32_t biasStride) {
  ExpertArguments arguments{};
  arguments.inputs = arguments.xStride = padded(dModel);
  arguments.outputs = mlp.width;
  arguments.yStride = padded(mlp.width);
  arguments.bias = mlp.bias ? 1 : 0;
  arguments.biasStride = biasStride;
  arguments.function = static_cast<int32_t>(mlp.activation.kind);
  arguments.limit = mlp.activation.limit;
  arguments.alpha = mlp.activation.alpha;
  return arguments;
}

ExpertArguments downArguments(const GatedMlp& mlp, int32_t dModel) {
  ExpertArguments arguments{};
  arguments.inputs = arguments.xStride = padded(mlp.width);
  arguments.outputs = arguments.yStride = arguments.biasStride = dModel;
  arguments.bias = mlp.bias ? 1 : 0;
  return arguments;
}

// The experts of a layer, as many as lie in the buffers of a dispatch.
class ExpertEncoder {
 public:
  ExpertEncoder(const EncodingContext& context, GpuCommands& to, int32_t layer, const SlotViews& slots)
      : context_(context),
        to_(to),
        layer_(layer),
        slots_(slots),
        moe_(*context.description.block(layer).moe()),
        tileRows_(context.kernels.tileRows(slots.rows)),
        // Every expert may have one tile that is not full.
        tiles_(std::min(slots.slots, slots.slots / tileRows_ + std::min(moe_.router.experts, slots.slots))) {}

  void encode() const {
    const StepMemory& memory = context_.memory;
    context_.kernels.groupSlots(
        to_, {slots_.slots, moe_.router.experts, tileRows_},
        {slots_.experts, slots_.rowsOfSlots, slots_.table, memory.places, memory.placeRows, memory.tiles});
    if (moe_.expert.bias) {
      gather(WeightRole::gateBias, memory.gateBias, moe_.expert.width);
      gather(WeightRole::upBias, memory.upBias, moe_.expert.width);
      gather(WeightRole::downBias, memory.downBias, context_.description.dModel);
    }
    encodeGateUp();
    encodeDown();
  }

 private:
  void encodeGateUp() const {
    const StepMemory& memory = context_.memory;
    ExpertArguments arguments = gateUpArguments(moe_.expert, context_.description.dModel, moe_.expert.width);
    inTurn(WeightRole::gateUp, {memory.tiles, memory.placeRows, slots_.x, memory.gateBias, memory.upBias, memory.inner},
           [&](const ExpertTables::Role& role, int32_t firstBuffer, const std::vector<GpuView>& buffers) {
             arguments.firstBuffer = firstBuffer;
             arguments.format = packedFormat(role.format);
             context_.kernels.gateUp(to_, role.format, arguments, tileRows_, tiles_, buffers);
           });
  }
  void encodeDown() const {
    const StepMemory& memory = context_.memory;
    ExpertArguments arguments = downArguments(moe_.expert, context_.description.dModel);
    inTurn(WeightRole::down, {memory.tiles, memory.everyRow, memory.inner, memory.downBias, memory.outputs},
           [&](const ExpertTables::Role& role, int32_t firstBuffer, const std::vector<GpuView>& buffers) {
             arguments.firstBuffer = firstBuffer;
             arguments.format = packedFormat(role.format);
             context_.kernels.down(to_, role.format, arguments, tileRows_, tiles_, buffers);
           });
  }
  void gather(WeightRole name, GpuView y, int32_t width) const {
    inTurn(name, {context_.memory.tiles, y},
           [&](const ExpertTables::Role&, int32_t firstBuffer, const std::vector<GpuView>& buffers) {
             context_.kernels.gatherVectors(to_, {width, firstBuffer}, tiles_, buffers);
           });
  }

  // Buffers of a dispatch: those that weights lie in, the table, the others.
  template <typename Encode>
  void inTurn(WeightRole name, const std::vector<GpuView>& others, const Encode& encode) const {
    const ExpertTables::Role& role = context_.expertTables.of(layer_, name);
    const size_t count = role.buffers.size(), each = static_cast<size_t>(buffersPerDispatch);
    for (size_t first = 0; first < count; first += each) {
      const size_t end = std::min(first + each, count);
      std::vector<GpuView> buffers(role.buffers.begin() + static_cast<std::ptrdiff_t>(first),
                                   role.buffers.begin() + static_cast<std::ptrdiff_t>(end));
      buffers.resize(each, context_.viewOf({}));
      buffers.push_back(role.table);
      buffers.insert(buffers.end(), others.begin(), others.end());
      encode(role, static_cast<int32_t>(first), buffers);
    }
  }

  const EncodingContext& context_;
  GpuCommands& to_;
  int32_t layer_;
  const SlotViews& slots_;
  const MoeMlp& moe_;
  int32_t tileRows_, tiles_;
};

void requireSameFormat(const ModelDescription& description, const ModelWeights& weights, int32_t layer,
                       WeightRole role) {
  std::optional<WeightFormat> format;
  for (int32_t e = 0; e < description.block(layer).moe()->router.experts; ++e) {
    const Weight& weight = weights.ofExpert(layer, e, role);
    if (weight.data == nullptr) continue;
    require(!format.has_value() || *format == weight.format,
            "the experts of layer " + std::to_string(layer) +
                " have matrices of different formats, which the GPU's kernels do not mix: use the backend cpu");
    format = weight.format;
  }
}

}  // namespace

void requireSameFormats(const ModelDescription& description, const ModelWeights& weights) {
  for (int32_t layer = 0; layer < description.layers(); ++layer) {
    if (description.block(layer).moe() == nullptr) continue;
    requireSameFormat(description, weights, layer, WeightRole::gateUp);
    requireSameFormat(description, weights, layer, WeightRole::down);
  }
}

void encodeExperts(const EncodingContext& context, GpuCommands& to, int32_t layer, const SlotViews& slots) {
  ExpertEncoder(context, to, layer, slots).encode();
}

void encodeMlp(const EncodingContext& context, GpuCommands& to, const ModelWeights& weights, int32_t layer,
               const RunMlp& run, GpuView y) {
  const auto of = [&](WeightRole own, WeightRole shared) -> const Weight& {
    return weights.of(layer, run.shared ? shared : own);
  };
  const StepMemory& memory = context.memory;
  const int32_t rows = context.extent.rows, dModel = context.description.dModel;
  const int32_t tileRows = context.kernels.tileRows(rows);
  const GpuView inner = run.shared ? memory.sharedInner : memory.inner;
  const Weight& gateUp = of(WeightRole::gateUp, WeightRole::sharedGateUp);
  const Weight& down = of(WeightRole::down, WeightRole::sharedDown);
  std::vector<GpuView> buffers(static_cast<size_t>(buffersPerDispatch), context.viewOf({}));
  buffers.front() = context.viewOf(gateUp);
  buffers.push_back(context.expertTables.alone());
  const GpuView gateBias = context.viewOf(of(WeightRole::gateBias, WeightRole::sharedGateBias));
  const GpuView upBias = context.viewOf(of(WeightRole::upBias, WeightRole::sharedUpBias));
  buffers.insert(buffers.end(), {memory.rowTiles, memory.everyRow, memory.normalized, gateBias, upBias, inner});
  ExpertArguments arguments = gateUpArguments(run.mlp, dModel, 0);
  arguments.format = packedFormat(gateUp.format);
  context.kernels.gateUp(to, gateUp.format, arguments, tileRows, (rows + tileRows - 1) / tileRows, buffers);
  const MatrixPart part{static_cast<int32_t>(panelCount(dModel)), dModel, 0};
  const int32_t width = padded(run.mlp.width);
  context.kernels.multiply(to, down.format, {width, rows, width, dModel, {part, {}, {}}, {}, packedFormat(down.format)},
                           {memory.everyRow, inner, context.viewOf(down), context.viewOf({}), context.viewOf({}), y});
}

}  // namespace conclave
