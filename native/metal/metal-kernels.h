// The kernels as calls: each appends a dispatch to the commands, or several where the budget asks for pieces. Shapes
// and layouts are the kernels' (kernels/*.metal). Kernels that read matrices are compiled for each format of them, the
// others for the model's activations.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "../core/model-description.h"
#include "command-budget.h"
#include "gpu-device.h"
#include "kernels/kernel-args.h"

namespace conclave {

// How products are computed (kernels/product.h). Rows have the same bits in any number within one of them.
enum class ProductKind { lanes, matrices };

// Experts' weights go to a kernel in this many buffers at most.
constexpr int32_t buffersPerDispatch = 16;

/** What kernels are told of a matrix's format. */
inline PackedFormat packedFormat(const WeightFormat& format) {
  if (!format.packed()) return {};
  return {static_cast<int32_t>(format.codes), static_cast<int32_t>(format.scales), format.group};
}

/** Throws Failure unavailable where a kernel needs more threadgroup memory for such a model than a GPU has. */
void requireThreadgroups(const ModelDescription& description);

class MetalKernels {
 public:
  /** Compiles every kernel that reads no matrix. Throws Failure unavailable with the compiler's log. */
  MetalKernels(GpuDevice& device, DType activations, ProductKind kind, const CommandBudget& budget);

  /** Compiles what reads matrices of a format, unless that is done. Throws like the constructor. */
  void compileFor(const WeightFormat& format);

  ProductKind kind() const { return kind_; }
  /** Most rows of one expert in a tile, for a step of that many rows. */
  int32_t tileRows(int32_t rows) const;

  void embed(GpuCommands& to, const WeightFormat& format, const EmbedArguments& arguments, int32_t rows, GpuView tokens,
             GpuView embedding, GpuView x) const;
  void embedPanels(GpuCommands& to, const WeightFormat& format, const EmbedArguments& arguments, int32_t rows,
                   GpuView tokens, GpuView panels, GpuView x) const;
  /** buffers: rows, x, weight, bias, out. */
  void normalize(GpuCommands& to, const NormalizeArguments& arguments, int32_t rows,
                 const std::vector<GpuView>& buffers) const;
  /** buffers: y, x, weight, bias, out. */
  void addAndNormalize(GpuCommands& to, const AddAndNormalizeArguments& arguments, int32_t rows,
                       const std::vector<GpuView>& buffers) const;
  void addBias(GpuCommands& to, const ColumnArguments& arguments, int32_t rows, GpuView bias, GpuView y) const;
  void scaleRows(GpuCommands& to, const ColumnArguments& arguments, int32_t rows, GpuView y) const;
  void capRows(GpuCommands& to, const ColumnArguments& arguments, int32_t rows, GpuView y) const;
  void widen(GpuCommands& to, const ColumnArguments& arguments, int32_t rows, GpuView x, GpuView y) const;
  /** buffers: rows, x, three matrices, y. */
  void multiply(GpuCommands& to, const WeightFormat& format, const MultiplyArguments& arguments,
                const std::vector<GpuView>& buffers) const;
  /** buffers: positions, sequences, block tables, cosines, sines, five vectors, projected, q, cache. */
  void shapeHeads(GpuCommands& to, const HeadsArguments& arguments, int32_t rows,
                  const std::vector<GpuView>& buffers) const;
  /** All blocks of a row in one threadgroup. buffers: positions, sequences, block tables, q, cache, sinks, out. */
  void attendRows(GpuCommands& to, const AttendArguments& arguments, int32_t rows,
                  const std::vector<GpuView>& buffers) const;
  /** Blocks apart, partialBlocks per row, then merged. buffers: those of attendRows up to the cache. */
  void attendBlocks(GpuCommands& to, const AttendArguments& arguments, int32_t rows,
                    const std::vector<GpuView>& buffers, GpuView partial, GpuView sinks, GpuView out) const;
  void chooseExperts(GpuCommands& to, const RouteArguments& arguments, int32_t rows, GpuView logits, GpuView choiceBias,
                     GpuView chosen, GpuView weights) const;
  void groupSlots(GpuCommands& to, const GroupArguments& arguments, const std::vector<GpuView>& buffers) const;
  /** tiles: how many there may be. buffers: those of the vectors, table, tiles, y. */
  void gatherVectors(GpuCommands& to, const GatherArguments& arguments, int32_t tiles,
                     const std::vector<GpuView>& buffers) const;
  /** tiles: how many there may be. buffers: those of the weights, table, tiles, rows, x, biases, y. */
  void gateUp(GpuCommands& to, const WeightFormat& format, const ExpertArguments& arguments, int32_t tileRows,
              int32_t tiles, const std::vector<GpuView>& buffers) const;
  void down(GpuCommands& to, const WeightFormat& format, const ExpertArguments& arguments, int32_t tileRows,
            int32_t tiles, const std::vector<GpuView>& buffers) const;
  void sumOutputs(GpuCommands& to, const SumOutputsArguments& arguments, int32_t rows, GpuView places, GpuView weights,
                  GpuView outputs, GpuView sums) const;
  /** buffers: places, weights, outputs, shared, gates, x. */
  void addOutputs(GpuCommands& to, const AddOutputsArguments& arguments, int32_t rows,
                  const std::vector<GpuView>& buffers) const;
  /** buffers: y, shared, gates, x. */
  void addRows(GpuCommands& to, const AddRowsArguments& arguments, int32_t rows,
               const std::vector<GpuView>& buffers) const;

 private:
  using Key = std::pair<KernelTypes, std::string>;

  template <typename Arguments>
  void run(GpuCommands& to, const Key& kernel, GpuGrid groups, const Arguments& arguments, std::vector<GpuView> buffers,
           const GpuWork& work, int64_t threadgroupBytes = 0) const;
  template <typename Arguments>
  void runInPieces(GpuCommands& to, const Key& kernel, const GpuGrid& grid, Arguments arguments,
                   const std::vector<GpuView>& buffers, const GpuWork& work) const;
  void runOnColumns(GpuCommands& to, const char* kernel, const ColumnArguments& arguments, int32_t rows,
                    std::vector<GpuView> buffers) const;
  GpuWork productWork(const WeightFormat& format, int32_t tileRows, int32_t tiles, double outputs, double inputs) const;
  GpuWork attentionWork(const AttendArguments& arguments, int32_t rows) const;
  Key ofRows(const char* kernel) const { return {activations_, kernel}; }
  KernelTypes typesFor(const WeightFormat& format) const { return {format, activations_}; }
  Key product(const WeightFormat& format, const char* operation, int32_t tileRows) const;
  // Threadgroups along a product's outputs.
  int32_t columns(int32_t panels) const;
  void load(const Key& kernel, int32_t threads);

  GpuDevice& device_;
  DType activations_;
  ProductKind kind_;
  const CommandBudget& budget_;
  std::map<Key, std::unique_ptr<GpuPipeline>> pipelines_;
};

}  // namespace conclave
