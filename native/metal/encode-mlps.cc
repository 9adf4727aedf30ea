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

// The experts of a layer, as many at a time as a dispatch takes.
class ExpertEncoder {
 public:
  ExpertEncoder(const EncodingContext& context, GpuCommands& to, const ModelWeights& weights, int32_t layer,
                const SlotViews& slots)
      : context_(context),
        to_(to),
        weights_(weights),
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
    for (int32_t first = 0; first < moe_.router.experts; first += expertsPerDispatch) {
      const int32_t present = firstPresent(first);
      if (present < std::min(first + expertsPerDispatch, moe_.router.experts)) encode(first, present);
    }
  }

 private:
  bool isHere(int32_t expert) const { return weights_.ofExpert(layer_, expert, WeightRole::gateUp).data != nullptr; }
  int32_t firstPresent(int32_t expert) const {
    while (expert < moe_.router.experts && !isHere(expert)) ++expert;
    return expert;
  }
  DType formatOf(int32_t expert, WeightRole role) const {
    return weights_.ofExpert(layer_, expert, role).format.plain();
  }

  // Experts [first, first + expertsPerDispatch), of which `present` is here.
  void encode(int32_t first, int32_t present) const {
    const StepMemory& memory = context_.memory;
    const int32_t dModel = context_.description.dModel;
    gather(first, WeightRole::gateBias, memory.gateBias, moe_.expert.width);
    gather(first, WeightRole::upBias, memory.upBias, moe_.expert.width);
    ExpertArguments arguments = gateUpArguments(moe_.expert, dModel, moe_.expert.width);
    arguments.firstExpert = first;
    context_.kernels.gateUp(
        to_, formatOf(present, WeightRole::gateUp), arguments, tileRows_, tiles_,
        with(first, WeightRole::gateUp,
             {memory.tiles, memory.placeRows, slots_.x, memory.gateBias, memory.upBias, memory.inner}));
    gather(first, WeightRole::downBias, memory.downBias, dModel);
    arguments = downArguments(moe_.expert, dModel);
    arguments.firstExpert = first;
    context_.kernels.down(
        to_, formatOf(present, WeightRole::down), arguments, tileRows_, tiles_,
        with(first, WeightRole::down, {memory.tiles, memory.everyRow, memory.inner, memory.downBias, memory.outputs}));
  }

  void gather(int32_t first, WeightRole role, GpuView y, int32_t width) const {
    if (!moe_.expert.bias) return;
    context_.kernels.gatherVectors(to_, {width, first}, tiles_, with(first, role, {context_.memory.tiles, y}));
  }

  // The experts' weights, then the other buffers.
  std::vector<GpuView> with(int32_t first, WeightRole role, const std::vector<GpuView>& others) const {
    std::vector<GpuView> buffers;
    for (int32_t e = first; e < first + expertsPerDispatch; ++e) {
      buffers.push_back(context_.viewOf(e < moe_.router.experts ? weights_.ofExpert(layer_, e, role) : Weight{}));
    }
    buffers.insert(buffers.end(), others.begin(), others.end());
    return buffers;
  }

  const EncodingContext& context_;
  GpuCommands& to_;
  const ModelWeights& weights_;
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

void encodeExperts(const EncodingContext& context, GpuCommands& to, const ModelWeights& weights, int32_t layer,
                   const SlotViews& slots) {
  ExpertEncoder(context, to, weights, layer, slots).encode();
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
  std::vector<GpuView> buffers(static_cast<size_t>(expertsPerDispatch), context.viewOf({}));
  buffers.front() = context.viewOf(gateUp);
  const GpuView gateBias = context.viewOf(of(WeightRole::gateBias, WeightRole::sharedGateBias));
  const GpuView upBias = context.viewOf(of(WeightRole::upBias, WeightRole::sharedUpBias));
  buffers.insert(buffers.end(), {memory.rowTiles, memory.everyRow, memory.normalized, gateBias, upBias, inner});
  context.kernels.gateUp(to, gateUp.format.plain(), gateUpArguments(run.mlp, dModel, 0), tileRows,
                         (rows + tileRows - 1) / tileRows, buffers);
  const MatrixPart part{static_cast<int32_t>(panelCount(dModel)), dModel, 0};
  const int32_t width = padded(run.mlp.width);
  context.kernels.multiply(to, down.format.plain(), {width, rows, width, dModel, {part, {}, {}}},
                           {memory.everyRow, inner, context.viewOf(down), context.viewOf({}), context.viewOf({}), y});
}

}  // namespace conclave
