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

// Rows are read, perhaps added to, and written as f32.
GpuWork rowWork(int32_t rows, int32_t width) { return {0, static_cast<double>(rows) * width * 16}; }

// route.metal's: a probability per expert; two integers per expert.
int64_t chooseExpertsBytes(int32_t experts) { return int64_t{experts} * 4; }
int64_t groupSlotsBytes(int32_t experts) { return int64_t{experts} * 8; }

int32_t ceilingOf(int32_t count, int32_t divisor) { return (count + divisor - 1) / divisor; }

}  // namespace

void requireThreadgroups(const PlainShape& shape) {
  requireThreadgroupMemory("group_slots", groupSlotsBytes(shape.router.experts),
                           std::to_string(shape.router.experts) + " experts");
}

MetalKernels::MetalKernels(GpuDevice& device, DType weights, ProductKind kind, const CommandBudget& budget)
    : weights_(weights), kind_(kind), budget_(budget) {
  for (const char* kernel : {"embed", "layer_norm", "rotate_and_append", "attend_row", "attend_blocks", "merge_blocks",
                             "group_slots", "combine", "add"}) {
    load(device, weights, kernel, rowThreads);
  }
  load(device, weights, "choose_experts", simdgroupThreads);
  for (const char* operation : {"multiply", "expert_gate_up", "expert_down"}) {
    // One row and many: the two sizes of tiles.
    for (const int32_t rows : {1, 9}) load(device, weights, product(operation, tileRows(rows)), productThreads);
  }
}

void MetalKernels::load(GpuDevice& device, DType weights, const std::string& kernel, int32_t threads) {
  pipelines_[kernel] = device.pipeline(weights, kernel, threads);
}

int32_t MetalKernels::tileRows(int32_t rows) const {
  if (kind_ == ProductKind::lanes) return rows == 1 ? 1 : 8;
  return rows <= 8 ? 8 : 32;
}

std::string MetalKernels::product(const char* operation, int32_t tileRows) const {
  return std::string(operation) + (kind_ == ProductKind::lanes ? "_lanes_" : "_matrices_") + std::to_string(tileRows);
}

int32_t MetalKernels::columns(int32_t outputs) const {
  const int32_t panels = static_cast<int32_t>(panelCount(outputs));
  return kind_ == ProductKind::lanes ? ceilingOf(panels, productSimdgroups) : panels;
}

template <typename Arguments>
void MetalKernels::run(GpuCommands& to, const std::string& kernel, GpuGrid groups, const Arguments& arguments,
                       std::vector<GpuView> buffers, const GpuWork& work, int64_t threadgroupBytes) const {
  to.dispatch({pipelines_.at(kernel).get(), groups, &arguments, sizeof(Arguments), std::move(buffers),
               (threadgroupBytes + 15) / 16 * 16, work});
}

template <typename Arguments>
void MetalKernels::runInPieces(GpuCommands& to, const std::string& kernel, const GpuGrid& grid, Arguments arguments,
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

GpuWork MetalKernels::productWork(int32_t tileRows, int32_t tiles, double outputs, double inputs) const {
  const double weights = outputs * inputs * tiles;
  return {2 * weights * tileRows, weights * static_cast<double>(bytesPerWeight(weights_))};
}

// Of a row's heads over as many blocks as the longest has.
GpuWork MetalKernels::attentionWork(const AttendArguments& arguments, int32_t rows) const {
  const double keys = static_cast<double>(rows) * arguments.partialBlocks * kvBlockTokens;
  const double readers = ceilingOf(arguments.heads / arguments.kvHeads, queriesPerGroup) * arguments.kvHeads;
  const double keyBytes = static_cast<double>(2 * bytesPerWeight(activationType(weights_))) * arguments.headDim;
  return {4 * keys * arguments.heads * arguments.headDim, keys * readers * keyBytes};
}

void MetalKernels::embed(GpuCommands& to, const EmbedArguments& arguments, int32_t rows, GpuView tokens,
                         GpuView embedding, GpuView x) const {
  run(to, "embed", {rows}, arguments, {tokens, embedding, x}, rowWork(rows, arguments.width));
}

void MetalKernels::layerNorm(GpuCommands& to, const NormArguments& arguments, int32_t rows, GpuView rowList, GpuView x,
                             GpuView weight, GpuView out) const {
  run(to, "layer_norm", {rows}, arguments, {rowList, x, weight, out}, rowWork(rows, arguments.width));
}

void MetalKernels::multiply(GpuCommands& to, const MultiplyArguments& arguments, GpuView rowList, GpuView x,
                            GpuView weights, GpuView y) const {
  const int32_t tile = tileRows(arguments.rows), tiles = ceilingOf(arguments.rows, tile);
  runInPieces(to, product("multiply", tile), {columns(arguments.outputs), tiles}, arguments, {rowList, x, weights, y},
              productWork(tile, tiles, arguments.outputs, arguments.inputs));
}

void MetalKernels::rotateAndAppend(GpuCommands& to, const RotateArguments& arguments, int32_t rows,
                                   const std::vector<GpuView>& buffers) const {
  run(to, "rotate_and_append", {rows}, arguments, buffers,
      rowWork(rows, (arguments.heads + 2 * arguments.kvHeads) * arguments.headDim));
}

void MetalKernels::attendRows(GpuCommands& to, const AttendArguments& arguments, int32_t rows,
                              const std::vector<GpuView>& buffers) const {
  const int32_t chunks = ceilingOf(arguments.heads / arguments.kvHeads, queriesPerGroup);
  runInPieces(to, "attend_row", {rows, arguments.kvHeads, chunks}, arguments, buffers, attentionWork(arguments, rows));
}

void MetalKernels::attendBlocks(GpuCommands& to, const AttendArguments& arguments, int32_t rows, int32_t blocks,
                                const std::vector<GpuView>& buffers, GpuView partial, GpuView out) const {
  const int32_t chunks = ceilingOf(arguments.heads / arguments.kvHeads, queriesPerGroup);
  std::vector<GpuView> withPartial = buffers;
  withPartial.push_back(partial);
  runInPieces(to, "attend_blocks", {rows, blocks, arguments.kvHeads * chunks}, arguments, withPartial,
              attentionWork(arguments, rows));
  run(to, "merge_blocks", {rows, arguments.heads}, arguments, {buffers[0], partial, out},
      rowWork(rows * blocks, arguments.heads * arguments.headDim));
}

void MetalKernels::chooseExperts(GpuCommands& to, const RouteArguments& arguments, int32_t rows, GpuView logits,
                                 GpuView chosen, GpuView weights) const {
  run(to, "choose_experts", {rows}, arguments, {logits, chosen, weights}, rowWork(rows, arguments.experts),
      chooseExpertsBytes(arguments.experts));
}

void MetalKernels::groupSlots(GpuCommands& to, const GroupArguments& arguments,
                              const std::vector<GpuView>& buffers) const {
  run(to, "group_slots", {}, arguments, buffers, rowWork(arguments.slots, arguments.experts),
      groupSlotsBytes(arguments.experts));
}

void MetalKernels::gateUp(GpuCommands& to, const ExpertArguments& arguments, int32_t tileRows, int32_t tiles,
                          const std::vector<GpuView>& buffers) const {
  runInPieces(to, product("expert_gate_up", tileRows), {columns(arguments.outputs), tiles}, arguments, buffers,
              productWork(tileRows, tiles, 2.0 * arguments.outputs, arguments.inputs));
}

void MetalKernels::down(GpuCommands& to, const ExpertArguments& arguments, int32_t tileRows, int32_t tiles,
                        const std::vector<GpuView>& buffers) const {
  runInPieces(to, product("expert_down", tileRows), {columns(arguments.outputs), tiles}, arguments, buffers,
              productWork(tileRows, tiles, arguments.outputs, arguments.inputs));
}

void MetalKernels::combine(GpuCommands& to, const CombineArguments& arguments, int32_t rows, GpuView places,
                           GpuView weights, GpuView outputs, GpuView x) const {
  run(to, "combine", {rows}, arguments, {places, weights, outputs, x}, rowWork(rows * arguments.topK, arguments.width));
}

void MetalKernels::add(GpuCommands& to, const AddArguments& arguments, int32_t rows, GpuView y, GpuView x) const {
  run(to, "add", {rows}, arguments, {y, x}, rowWork(rows, arguments.width));
}

}  // namespace conclave
