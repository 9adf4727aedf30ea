#include "metal-kernels.h"

#include <algorithm>

#include "../core/panel-layout.h"
#include "../core/step-batch.h"
#include "gpu-limits.h"

namespace conclave {
namespace {

// The kernels' own (kernels/product.h, and 256 in the others).
constexpr int32_t productThreads = 128, productSimdgroups = 4, rowThreads = 256;
constexpr int32_t queriesPerGroup = 8;
// Columns of long rows to a threadgroup (kernels/rows.metal).
constexpr int32_t columnsPerGroup = 4096;

// Rows are read, perhaps added to, and written as f32.
GpuWork rowWork(int32_t rows, int32_t width) { return {0, static_cast<double>(rows) * width * 16}; }

// route.metal's: a key per expert and per group; two integers per expert.
int64_t chooseExpertsBytes(int32_t experts, int32_t groups) { return (int64_t{experts} + groups) * 4; }
int64_t groupSlotsBytes(int32_t experts) { return int64_t{experts} * 8; }

int32_t ceilingOf(int32_t count, int32_t divisor) { return (count + divisor - 1) / divisor; }

}  // namespace

void requireThreadgroups(const ModelDescription& description) {
  for (const Block& block : description.blocks) {
    if (block.moe() == nullptr) continue;
    const Router& router = block.moe()->router;
    const std::string purpose = std::to_string(router.experts) + " experts";
    requireThreadgroupMemory("group_slots", groupSlotsBytes(router.experts), purpose);
    const int32_t groups = router.groups.has_value() ? router.groups->count : 0;
    requireThreadgroupMemory("choose_experts", chooseExpertsBytes(router.experts, groups), purpose);
  }
}

MetalKernels::MetalKernels(GpuDevice& device, DType activations, ProductKind kind, const CommandBudget& budget)
    : device_(device), activations_(activations), kind_(kind), budget_(budget) {
  for (const char* kernel :
       {"normalize", "add_and_normalize", "add_bias", "scale_rows", "cap_rows", "widen", "shape_heads", "attend_row",
        "attend_blocks", "merge_blocks", "group_slots", "gather_vectors", "sum_outputs", "add_outputs", "add_rows"}) {
    load(ofRows(kernel), rowThreads);
  }
  load(ofRows("choose_experts"), simdgroupThreads);
}

void MetalKernels::compileFor(const WeightFormat& format) {
  const KernelTypes types = typesFor(format);
  if (pipelines_.contains({types, "embed_panels"})) return;
  for (const char* operation : {"multiply", "expert_gate_up", "expert_down"}) {
    // One row and many: the two sizes of tiles.
    for (const int32_t rows : {1, 9}) load(product(format, operation, tileRows(rows)), productThreads);
  }
  load({types, "embed_panels"}, rowThreads);
  if (!format.packed()) load({types, "embed"}, rowThreads);
}

void MetalKernels::load(const Key& kernel, int32_t threads) {
  pipelines_[kernel] = device_.pipeline(kernel.first, kernel.second, threads);
}

int32_t MetalKernels::tileRows(int32_t rows) const {
  if (kind_ == ProductKind::lanes) return rows == 1 ? 1 : 8;
  return rows <= 8 ? 8 : 32;
}

MetalKernels::Key MetalKernels::product(const WeightFormat& format, const char* operation, int32_t tileRows) const {
  return {typesFor(format),
          std::string(operation) + (kind_ == ProductKind::lanes ? "_lanes_" : "_matrices_") + std::to_string(tileRows)};
}

int32_t MetalKernels::columns(int32_t panels) const {
  return kind_ == ProductKind::lanes ? ceilingOf(panels, productSimdgroups) : panels;
}

template <typename Arguments>
void MetalKernels::run(GpuCommands& to, const Key& kernel, GpuGrid groups, const Arguments& arguments,
                       std::vector<GpuView> buffers, const GpuWork& work, int64_t threadgroupBytes) const {
  to.dispatch({pipelines_.at(kernel).get(), groups, &arguments, sizeof(Arguments), std::move(buffers),
               (threadgroupBytes + 15) / 16 * 16, work});
}

template <typename Arguments>
void MetalKernels::runInPieces(GpuCommands& to, const Key& kernel, const GpuGrid& grid, Arguments arguments,
                               const std::vector<GpuView>& buffers, const GpuWork& work) const {
  const GpuGrid piece = budget_.piece(grid, work);
  for (int32_t y = 0; y < grid.y; y += piece.y) {
    for (int32_t x = 0; x < grid.x; x += piece.x) {
      arguments.start = {x, y};
      const GpuGrid part{std::min(piece.x, grid.x - x), std::min(piece.y, grid.y - y), grid.z};
      const double share = static_cast<double>(part.x) * part.y / (static_cast<double>(grid.x) * grid.y);
      run(to, kernel, part, arguments, buffers, {work.flops * share, work.bytes * share});
    }
  }
}

GpuWork MetalKernels::productWork(const WeightFormat& format, int32_t tileRows, int32_t tiles, double outputs,
                                  double inputs) const {
  const double weights = outputs * inputs * tiles;
  const double bytes = static_cast<double>(panelBytes(format, static_cast<int64_t>(inputs))) / panelOutputs / inputs;
  return {2 * weights * tileRows, weights * bytes};
}

// Of a row's heads over as many blocks as the longest has.
GpuWork MetalKernels::attentionWork(const AttendArguments& arguments, int32_t rows) const {
  const double keys = static_cast<double>(rows) * arguments.partialBlocks * kvBlockTokens;
  const double readers = ceilingOf(arguments.heads / arguments.kvHeads, queriesPerGroup) * arguments.kvHeads;
  const double keyBytes = static_cast<double>(2 * bytesPerWeight(activations_)) * arguments.headDim;
  return {4 * keys * arguments.heads * arguments.headDim, keys * readers * keyBytes};
}

void MetalKernels::embed(GpuCommands& to, const WeightFormat& format, const EmbedArguments& arguments, int32_t rows,
                         GpuView tokens, GpuView embedding, GpuView x) const {
  run(to, {typesFor(format), "embed"}, {rows}, arguments, {tokens, embedding, x}, rowWork(rows, arguments.width));
}

void MetalKernels::embedPanels(GpuCommands& to, const WeightFormat& format, const EmbedArguments& arguments,
                               int32_t rows, GpuView tokens, GpuView panels, GpuView x) const {
  run(to, {typesFor(format), "embed_panels"}, {rows}, arguments, {tokens, panels, x}, rowWork(rows, arguments.width));
}

void MetalKernels::normalize(GpuCommands& to, const NormalizeArguments& arguments, int32_t rows,
                             const std::vector<GpuView>& buffers) const {
  run(to, ofRows("normalize"), {rows}, arguments, buffers, rowWork(rows, arguments.norm.width));
}

void MetalKernels::addAndNormalize(GpuCommands& to, const AddAndNormalizeArguments& arguments, int32_t rows,
                                   const std::vector<GpuView>& buffers) const {
  run(to, ofRows("add_and_normalize"), {rows}, arguments, buffers, rowWork(rows, 2 * arguments.norm.width));
}

void MetalKernels::runOnColumns(GpuCommands& to, const char* kernel, const ColumnArguments& arguments, int32_t rows,
                                std::vector<GpuView> buffers) const {
  run(to, ofRows(kernel), {rows, ceilingOf(arguments.width, columnsPerGroup)}, arguments, std::move(buffers),
      rowWork(rows, arguments.width));
}

void MetalKernels::addBias(GpuCommands& to, const ColumnArguments& arguments, int32_t rows, GpuView bias,
                           GpuView y) const {
  runOnColumns(to, "add_bias", arguments, rows, {bias, y});
}

void MetalKernels::scaleRows(GpuCommands& to, const ColumnArguments& arguments, int32_t rows, GpuView y) const {
  runOnColumns(to, "scale_rows", arguments, rows, {y});
}

void MetalKernels::capRows(GpuCommands& to, const ColumnArguments& arguments, int32_t rows, GpuView y) const {
  runOnColumns(to, "cap_rows", arguments, rows, {y});
}

void MetalKernels::widen(GpuCommands& to, const ColumnArguments& arguments, int32_t rows, GpuView x, GpuView y) const {
  run(to, ofRows("widen"), {rows}, arguments, {x, y}, rowWork(rows, arguments.width));
}

void MetalKernels::multiply(GpuCommands& to, const WeightFormat& format, const MultiplyArguments& arguments,
                            const std::vector<GpuView>& buffers) const {
  const int32_t tile = tileRows(arguments.rows), tiles = ceilingOf(arguments.rows, tile);
  int32_t panels = 0, outputs = 0;
  for (const MatrixPart& part : arguments.parts) {
    panels += part.panels;
    outputs += part.outputs;
  }
  runInPieces(to, product(format, "multiply", tile), {columns(panels), tiles}, arguments, buffers,
              productWork(format, tile, tiles, outputs, arguments.inputs));
}

void MetalKernels::shapeHeads(GpuCommands& to, const HeadsArguments& arguments, int32_t rows,
                              const std::vector<GpuView>& buffers) const {
  run(to, ofRows("shape_heads"), {rows}, arguments, buffers,
      rowWork(rows, (arguments.heads + 2 * arguments.kvHeads) * arguments.headDim * (1 + arguments.steps)));
}

void MetalKernels::attendRows(GpuCommands& to, const AttendArguments& arguments, int32_t rows,
                              const std::vector<GpuView>& buffers) const {
  const int32_t chunks = ceilingOf(arguments.heads / arguments.kvHeads, queriesPerGroup);
  runInPieces(to, ofRows("attend_row"), {rows, arguments.kvHeads, chunks}, arguments, buffers,
              attentionWork(arguments, rows));
}

void MetalKernels::attendBlocks(GpuCommands& to, const AttendArguments& arguments, int32_t rows,
                                const std::vector<GpuView>& buffers, GpuView partial, GpuView sinks,
                                GpuView out) const {
  const int32_t chunks = ceilingOf(arguments.heads / arguments.kvHeads, queriesPerGroup);
  const int32_t blocks = arguments.partialBlocks;
  std::vector<GpuView> withPartial = buffers;
  withPartial.push_back(partial);
  runInPieces(to, ofRows("attend_blocks"), {rows, blocks, arguments.kvHeads * chunks}, arguments, withPartial,
              attentionWork(arguments, rows));
  run(to, ofRows("merge_blocks"), {rows, arguments.heads}, arguments, {buffers[0], sinks, partial, out},
      rowWork(rows * blocks, arguments.heads * arguments.headDim));
}

void MetalKernels::chooseExperts(GpuCommands& to, const RouteArguments& arguments, int32_t rows, GpuView logits,
                                 GpuView choiceBias, GpuView chosen, GpuView weights) const {
  run(to, ofRows("choose_experts"), {rows}, arguments, {logits, choiceBias, chosen, weights},
      rowWork(rows, arguments.experts), chooseExpertsBytes(arguments.experts, arguments.groups));
}

void MetalKernels::groupSlots(GpuCommands& to, const GroupArguments& arguments,
                              const std::vector<GpuView>& buffers) const {
  run(to, ofRows("group_slots"), {}, arguments, buffers, rowWork(arguments.slots, arguments.experts),
      groupSlotsBytes(arguments.experts));
}

void MetalKernels::gatherVectors(GpuCommands& to, const GatherArguments& arguments, int32_t tiles,
                                 const std::vector<GpuView>& buffers) const {
  run(to, ofRows("gather_vectors"), {tiles}, arguments, buffers, rowWork(tiles, arguments.width));
}

void MetalKernels::gateUp(GpuCommands& to, const WeightFormat& format, const ExpertArguments& arguments,
                          int32_t tileRows, int32_t tiles, const std::vector<GpuView>& buffers) const {
  const int32_t panels = static_cast<int32_t>(panelCount(arguments.outputs));
  runInPieces(to, product(format, "expert_gate_up", tileRows), {columns(panels), tiles}, arguments, buffers,
              productWork(format, tileRows, tiles, 2.0 * arguments.outputs, arguments.inputs));
}

void MetalKernels::down(GpuCommands& to, const WeightFormat& format, const ExpertArguments& arguments, int32_t tileRows,
                        int32_t tiles, const std::vector<GpuView>& buffers) const {
  const int32_t panels = static_cast<int32_t>(panelCount(arguments.outputs));
  runInPieces(to, product(format, "expert_down", tileRows), {columns(panels), tiles}, arguments, buffers,
              productWork(format, tileRows, tiles, arguments.outputs, arguments.inputs));
}

void MetalKernels::sumOutputs(GpuCommands& to, const SumOutputsArguments& arguments, int32_t rows, GpuView places,
                              GpuView weights, GpuView outputs, GpuView sums) const {
  run(to, ofRows("sum_outputs"), {rows}, arguments, {places, weights, outputs, sums},
      rowWork(rows * arguments.topK, arguments.width));
}

void MetalKernels::addOutputs(GpuCommands& to, const AddOutputsArguments& arguments, int32_t rows,
                              const std::vector<GpuView>& buffers) const {
  run(to, ofRows("add_outputs"), {rows}, arguments, buffers, rowWork(rows * arguments.topK, arguments.width));
}

void MetalKernels::addRows(GpuCommands& to, const AddRowsArguments& arguments, int32_t rows,
                           const std::vector<GpuView>& buffers) const {
  run(to, ofRows("add_rows"), {rows}, arguments, buffers, rowWork(rows, arguments.width));
}

}  // namespace conclave
