// The kernels as calls: each appends a dispatch to the commands, or several where the budget asks for pieces. Shapes
// and layouts are the kernels' (kernels/*.metal).
#pragma once
#include <map>
#include <memory>
#include <string>

#include "command-budget.h"
#include "gpu-device.h"
#include "kernels/kernel-args.h"
#include "plain-shape.h"

namespace conclave {

// How products are computed (kernels/product.h). Rows have the same bits in any number within one of them.
enum class ProductKind { lanes, matrices };

// Expert weights go to a kernel by buffer, this many at a time.
constexpr int32_t expertsPerDispatch = 16;

/** Throws Failure unavailable where a kernel needs more threadgroup memory for such a model than a GPU has. */
void requireThreadgroups(const PlainShape& shape);

class MetalKernels {
 public:
  /** Compiles every kernel it will need. Throws Failure unavailable with the compiler's log. */
  MetalKernels(GpuDevice& device, DType weights, ProductKind kind, const CommandBudget& budget);

  ProductKind kind() const { return kind_; }
  /** Most rows of one expert in a tile, for a step of that many rows. */
  int32_t tileRows(int32_t rows) const;

  void embed(GpuCommands& to, const EmbedArguments& arguments, int32_t rows, GpuView tokens, GpuView embedding,
             GpuView x) const;
  void layerNorm(GpuCommands& to, const NormArguments& arguments, int32_t rows, GpuView rowList, GpuView x,
                 GpuView weight, GpuView out) const;
  void multiply(GpuCommands& to, const MultiplyArguments& arguments, GpuView rowList, GpuView x, GpuView weights,
                GpuView y) const;
  void rotateAndAppend(GpuCommands& to, const RotateArguments& arguments, int32_t rows,
                       const std::vector<GpuView>& buffers) const;
  /** All blocks of a row in one threadgroup. */
  void attendRows(GpuCommands& to, const AttendArguments& arguments, int32_t rows,
                  const std::vector<GpuView>& buffers) const;
  /** Blocks apart, up to `blocks` per row, then merged. buffers: those of attendRows but for the last, out. */
  void attendBlocks(GpuCommands& to, const AttendArguments& arguments, int32_t rows, int32_t blocks,
                    const std::vector<GpuView>& buffers, GpuView partial, GpuView out) const;
  void chooseExperts(GpuCommands& to, const RouteArguments& arguments, int32_t rows, GpuView logits, GpuView chosen,
                     GpuView weights) const;
  void groupSlots(GpuCommands& to, const GroupArguments& arguments, const std::vector<GpuView>& buffers) const;
  /** tiles: how many there may be. buffers: tiles, rows, x, y, then the weights of expertsPerDispatch experts. */
  void gateUp(GpuCommands& to, const ExpertArguments& arguments, int32_t tileRows, int32_t tiles,
              const std::vector<GpuView>& buffers) const;
  void down(GpuCommands& to, const ExpertArguments& arguments, int32_t tileRows, int32_t tiles,
            const std::vector<GpuView>& buffers) const;
  void combine(GpuCommands& to, const CombineArguments& arguments, int32_t rows, GpuView places, GpuView weights,
               GpuView outputs, GpuView x) const;
  void add(GpuCommands& to, const AddArguments& arguments, int32_t rows, GpuView y, GpuView x) const;

 private:
  template <typename Arguments>
  void run(GpuCommands& to, const std::string& kernel, GpuGrid groups, const Arguments& arguments,
           std::vector<GpuView> buffers, const GpuWork& work, int64_t threadgroupBytes = 0) const;
  template <typename Arguments>
  void runInPieces(GpuCommands& to, const std::string& kernel, const GpuGrid& grid, Arguments arguments,
                   const std::vector<GpuView>& buffers, const GpuWork& work) const;
  GpuWork productWork(int32_t tileRows, int32_t tiles, double outputs, double inputs) const;
  GpuWork attentionWork(const AttendArguments& arguments, int32_t rows) const;
  std::string product(const char* operation, int32_t tileRows) const;
  // Threadgroups along a product's outputs.
  int32_t columns(int32_t outputs) const;
  void load(GpuDevice& device, DType weights, const std::string& kernel, int32_t threads);

  DType weights_;
  ProductKind kind_;
  const CommandBudget& budget_;
  std::map<std::string, std::unique_ptr<GpuPipeline>> pipelines_;
};

}  // namespace conclave
