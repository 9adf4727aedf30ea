#include "passage-encoder.h"

#include "../core/failure.h"
#include "../core/panel-layout.h"

namespace conclave {
namespace {

constexpr size_t mostParts = std::size(MultiplyArguments{}.parts);

int32_t padded(int32_t inputs) { return static_cast<int32_t>(paddedInputs(inputs)); }

NormArguments normArguments(const Norm& norm, int32_t width) {
  const bool centred = norm.kind == NormKind::layer;
  return {width, centred ? 1 : 0, !centred && norm.roundsBeforeWeight ? 1 : 0, norm.epsilon};
}

HeadVector vectorOf(WeightRole role) {
  switch (role) {
    case WeightRole::queryBias:
      return queryBiasVector;
    case WeightRole::keyBias:
      return keyBiasVector;
    case WeightRole::valueBias:
      return valueBiasVector;
    case WeightRole::queryNorm:
      return queryNormVector;
    default:
      return keyNormVector;
  }
}

RouteArguments routeArguments(const Router& router) {
  const ExpertGroups groups = router.groups.value_or(ExpertGroups{0, 0});
  return {router.experts,
          router.topK,
          static_cast<int32_t>(router.scores),
          router.choiceBias ? 1 : 0,
          groups.count,
          groups.chosen,
          router.normalizationEpsilon.has_value() ? 1 : 0,
          router.normalizationEpsilon.value_or(0),
          router.normalizationMinimum,
          router.scale,
          router.threshold};
}

}  // namespace

void PassageEncoder::encode() {
  if (rows() == 0) return;
  for (const Operation& operation : passage_.operations) {
    std::visit([&](const auto& kind) { encode(kind); }, operation);
  }
}

void PassageEncoder::encode(const EachRow& each) {
  for (const RowOperation& operation : each.operations) {
    std::visit([&](const auto& kind) { take(kind); }, operation);
  }
  if (!mixedScale_.has_value()) return;
  context_.kernels.addRows(to_, {widthOf(FloatRows::mixed), noSharedPart, *mixedScale_}, rows(),
                           {floats(FloatRows::mixed), nothing(), nothing(), floats(FloatRows::residual)});
  mixedScale_.reset();
}

// A matrix of f32 or f16 takes rows of f32: in a bf16 model, such rows are its activations, widened.
void PassageEncoder::encode(const Multiply& multiply) {
  const StepMemory& memory = context_.memory;
  const GpuView rowsOf = multiply.from == ActivationRowsOf::normalized ? memory.normalized : memory.attended;
  const auto formatOf = [&](size_t part) { return weight(multiply.parts[part].matrix).format; };
  bool widened = false;
  for (size_t first = 0, end = 0; first < multiply.parts.size(); first = end) {
    while (end < multiply.parts.size() && end - first < mostParts && formatOf(end) == formatOf(first)) ++end;
    const bool fits = takesAsTheyAre(formatOf(first), context_.description.activations);
    if (!fits && !widened) {
      const int32_t width = padded(weight(multiply.parts[first].matrix).inputs);
      context_.kernels.widen(to_, {width, width, 0}, rows(), rowsOf, memory.widened);
      widened = true;
    }
    encodeProduct(multiply, first, end, fits ? rowsOf : memory.widened);
  }
}

void PassageEncoder::encodeProduct(const Multiply& multiply, size_t first, size_t end, GpuView x) {
  const Weight& matrix = weight(multiply.parts[first].matrix);
  MultiplyArguments arguments{padded(matrix.inputs), rows(), padded(matrix.inputs), widthOf(multiply.to), {}};
  std::vector<GpuView> buffers{context_.memory.everyRow, x};
  for (size_t i = 0; i < mostParts; ++i) {
    const bool exists = first + i < end;
    buffers.push_back(exists ? viewOf(multiply.parts[first + i].matrix) : nothing());
    if (!exists) continue;
    const auto& [role, column] = multiply.parts[first + i];
    arguments.parts[i] = {static_cast<int32_t>(panelCount(weight(role).outputs)), weight(role).outputs, column};
  }
  buffers.push_back(floats(multiply.to));
  arguments.format = packedFormat(matrix.format);
  context_.kernels.multiply(to_, matrix.format, arguments, buffers);
}

void PassageEncoder::encode(const Attend&) {
  const StepMemory& memory = context_.memory;
  const StepExtent& extent = context_.extent;
  const AttentionDescription& attention = block().attention;
  const int32_t blocks = blocksSeen(attention, int64_t{extent.mostBlocks} * kvBlockTokens);
  const AttendArguments arguments{attention.heads,
                                  attention.kvHeads,
                                  attention.headDim,
                                  attention.queryWidth(),
                                  extent.blockTableWidth,
                                  blocks,
                                  attention.window.value_or(0),
                                  attention.sinks ? 1 : 0,
                                  attention.scale};
  const GpuBuffer& cache = *context_.cache[static_cast<size_t>(passage_.layer)];
  const GpuView sinks = viewOf(WeightRole::sinks);
  std::vector<GpuView> buffers{
      memory.positions, memory.sequences, extent.blockTables, memory.query, {&cache, 0, cache.bytes()}};
  if (rows() <= splitAttentionRows && blocks > 1) {
    return context_.kernels.attendBlocks(to_, arguments, rows(), buffers, memory.partial, sinks, memory.attended);
  }
  buffers.insert(buffers.end(), {sinks, memory.attended});
  context_.kernels.attendRows(to_, arguments, rows(), buffers);
}

void PassageEncoder::encode(const RunMlp& run) {
  encodeMlp(context_, to_, weights_, passage_.layer, run, floats(run.to));
  if (run.mlp.bias) take(AddBias{run.to, run.shared ? WeightRole::sharedDownBias : WeightRole::downBias});
}

void PassageEncoder::take(const Embed& embed) {
  const Weight& table = weight(embed.tied ? WeightRole::lmHead : WeightRole::embedding);
  const EmbedArguments arguments{context_.description.dModel, embed.scale, packedFormat(table.format)};
  const GpuView tokens = context_.memory.tokens, x = floats(FloatRows::residual);
  if (embed.tied || table.format.packed()) {
    context_.kernels.embedPanels(to_, table.format, arguments, rows(), tokens, context_.viewOf(table), x);
  } else {
    context_.kernels.embed(to_, table.format, arguments, rows(), tokens, context_.viewOf(table), x);
  }
}

void PassageEncoder::take(const Normalize& normalize) {
  const StepMemory& memory = context_.memory;
  const int32_t dModel = context_.description.dModel, bias = normalize.norm.bias ? 1 : 0;
  const NormArguments norm = normArguments(normalize.norm, dModel);
  const GpuView residual = floats(FloatRows::residual), weights = viewOf(normalize.weight),
                biases = bias != 0 ? viewOf(normalize.bias) : nothing();
  if (mixedScale_.has_value()) {
    context_.kernels.addAndNormalize(to_, {norm, padded(dModel), bias, *mixedScale_}, rows(),
                                     {floats(FloatRows::mixed), residual, weights, biases, memory.normalized});
    return mixedScale_.reset();
  }
  const GpuView list = passage_.ofLogitRows ? memory.logitRows : memory.everyRow;
  context_.kernels.normalize(to_, {norm, padded(dModel), bias}, rows(),
                             {list, residual, weights, biases, memory.normalized});
}

void PassageEncoder::take(const AddBias& add) {
  const Weight& bias = weight(add.bias);
  if (add.to == FloatRows::projected) {
    HeadStep& step = nextHeadStep(addHeadBias);
    step.column = add.column;
    step.heads = 1;
    step.width = bias.inputs;
    step.vector = vectorOf(add.bias);
    return;
  }
  const GpuView y = floats(add.to);
  const int64_t skipped = int64_t{add.column} * int64_t{sizeof(float)};
  context_.kernels.addBias(to_, {bias.inputs, widthOf(add.to), 0}, rows(), context_.viewOf(bias),
                           y.part(skipped, y.bytes - skipped));
}

HeadStep& PassageEncoder::nextHeadStep(HeadStepKind kind) {
  require(heads_.steps < mostHeadSteps, "more happens to a layer's heads than a kernel takes");
  HeadStep& step = heads_.step[heads_.steps++];
  step.kind = kind;
  return step;
}

void PassageEncoder::take(const NormalizeHeads& normalize) {
  HeadStep& step = nextHeadStep(normalizeHeads);
  step.column = normalize.column;
  step.heads = normalize.heads;
  step.width = normalize.width;
  step.vector = vectorOf(normalize.weight);
  step.norm = normArguments(normalize.norm, normalize.width);
}

void PassageEncoder::take(const Clip& clip) {
  HeadStep& step = nextHeadStep(clipHeads);
  step.heads = 1;
  step.width = widthOf(FloatRows::projected);
  step.limit = clip.limit;
}

void PassageEncoder::take(const Rotate& rotate) {
  HeadStep& step = nextHeadStep(rotateHeads);
  step.heads = rotate.heads;
  step.width = rotate.headDim;
  step.pairs = heads_.pairs = rotate.dims / 2;
  step.adjacent = rotate.pairing == RotaryPairing::adjacent ? 1 : 0;
}

void PassageEncoder::take(const StoreHeads&) {
  const StepMemory& memory = context_.memory;
  const AttentionDescription& attention = block().attention;
  const StepMemory::Angles& angles = memory.angles[blockIndex()];
  const GpuBuffer& cache = *context_.cache[static_cast<size_t>(passage_.layer)];
  heads_.heads = attention.heads;
  heads_.kvHeads = attention.kvHeads;
  heads_.headDim = attention.headDim;
  heads_.blockTableWidth = context_.extent.blockTableWidth;
  context_.kernels.shapeHeads(to_, heads_, rows(),
                              {memory.positions,
                               memory.sequences,
                               context_.extent.blockTables,
                               angles.cosines,
                               angles.sines,
                               viewOf(WeightRole::queryBias),
                               viewOf(WeightRole::keyBias),
                               viewOf(WeightRole::valueBias),
                               viewOf(WeightRole::queryNorm),
                               viewOf(WeightRole::keyNorm),
                               memory.projected,
                               memory.query,
                               {&cache, 0, cache.bytes()}});
  heads_ = {};
}

void PassageEncoder::take(const Choose& choose) {
  const StepMemory& memory = context_.memory;
  context_.kernels.chooseExperts(to_, routeArguments(choose.router), rows(), memory.routerLogits,
                                 choose.router.choiceBias ? viewOf(WeightRole::choiceBias) : nothing(),
                                 memory.chosen[static_cast<size_t>(passage_.layer)], memory.routingWeights);
}

void PassageEncoder::take(const Combine&) { combines_ = true; }

void PassageEncoder::take(const AddShared& add) { shared_ = add.gate ? gatedSharedPart : sharedPart; }

void PassageEncoder::take(const AddMixed& add) {
  if (combines_) return addContribution(add.scale);
  mixedScale_ = add.scale;
}

// residual += scale * (experts and shared expert)
void PassageEncoder::addContribution(float scale) {
  const StepMemory& memory = context_.memory;
  const int32_t dModel = context_.description.dModel;
  const GpuView x = floats(FloatRows::residual);
  if (before_ == ExpertResults::sums) {
    context_.kernels.addRows(to_, {dModel, shared_, scale}, rows(), {memory.sums, memory.shared, memory.sharedGate, x});
  } else {
    const bool here = before_ == ExpertResults::places;
    const GpuView places = here ? memory.places : memory.everyRow;
    const GpuView outputs = here ? memory.outputs : memory.contributed;
    context_.kernels.addOutputs(to_, {dModel, block().moe()->router.topK, shared_, scale}, rows(),
                                {places, memory.routingWeights, outputs, memory.shared, memory.sharedGate, x});
  }
  combines_ = false;
  shared_ = noSharedPart;
}

void PassageEncoder::take(const ScaleLogits& scale) {
  const int32_t vocab = widthOf(FloatRows::logits);
  context_.kernels.scaleRows(to_, {vocab, vocab, scale.factor}, rows(), floats(FloatRows::logits));
}

void PassageEncoder::take(const CapLogits& cap) {
  const int32_t vocab = widthOf(FloatRows::logits);
  context_.kernels.capRows(to_, {vocab, vocab, cap.limit}, rows(), floats(FloatRows::logits));
}

GpuView PassageEncoder::floats(FloatRows name) const {
  const StepMemory& memory = context_.memory;
  switch (name) {
    case FloatRows::residual:
      return memory.residual;
    case FloatRows::projected:
      return memory.projected;
    case FloatRows::mixed:
      return memory.mixed;
    case FloatRows::shared:
      return memory.shared;
    case FloatRows::sharedGate:
      return memory.sharedGate;
    case FloatRows::routerLogits:
      return memory.routerLogits;
    case FloatRows::logits:
      return context_.extent.logits;
  }
  return nothing();
}

int32_t PassageEncoder::widthOf(FloatRows name) const {
  switch (name) {
    case FloatRows::projected:
      return block().attention.projectedWidth();
    case FloatRows::sharedGate:
      return 1;
    case FloatRows::routerLogits:
      return block().moe()->router.experts;
    case FloatRows::logits:
      return context_.description.vocab;
    default:
      return context_.description.dModel;
  }
}

}  // namespace conclave
