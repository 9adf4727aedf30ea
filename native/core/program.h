// The order of a model's operations, written once: a description becomes a program, and backends implement operations,
// not models. An operation that a block lacks is absent from its program. A program is cut where a group of nodes
// exchanges rows (docs/design.md#two-topologies): pieces end with the router of a MoE layer or with the logits, and a
// whole step, a step in parts and a group's step run the same pieces.
#pragma once
#include <span>
#include <variant>
#include <vector>

#include "model-description.h"
#include "weight-roles.h"

namespace conclave {

// Rows of f32 that operations read and write: [rows, width].
enum class FloatRows {
  residual,      // dModel: the stream that blocks add to
  projected,     // query, key and value side by side
  mixed,         // dModel: what a block adds next
  shared,        // dModel: the shared expert's output
  sharedGate,    // 1
  routerLogits,  // experts
  logits,        // vocab; rows are the batch's logit rows
};
// Rows of the activation type that matrices multiply.
enum class ActivationRowsOf { normalized, attended };

// Operations on single rows. Widths that are not given are those of the rows.

/** residual = scale * embedding[token]; when tied, read out of the head's panels. */
struct Embed {
  bool tied;
  float scale;
};
/** normalized = norm(residual); of the logit rows after the last layer. */
struct Normalize {
  Norm norm;
  WeightRole weight, bias;
};
/** rows[column, column + length of the bias) += bias */
struct AddBias {
  FloatRows to;
  WeightRole bias;
  int32_t column = 0;
};
/** projected: heads [column, ...) of `width` each are normalized by one weight [width]. */
struct NormalizeHeads {
  Norm norm;
  WeightRole weight;
  int32_t column, heads, width;
};
/** projected = projected clamped to [-limit, limit] */
struct Clip {
  float limit;
};
/** projected: the first dims of `heads` heads from column 0 on are rotated by the block's table at the row's position.
 */
struct Rotate {
  int32_t heads, headDim, dims;
  RotaryPairing pairing;
};
/** Query rows, rounded, for attention; key and value into the KV cache. */
struct StoreHeads {};
/** The router's choice and its weights, from routerLogits. */
struct Choose {
  Router router;
};
/** mixed = sum over ranks of weight * expert output, or the sums that other nodes sent. */
struct Combine {};
/** mixed += shared, or sigmoid(sharedGate) * shared */
struct AddShared {
  bool gate;
};
/** residual += scale * mixed */
struct AddMixed {
  float scale;
};
/** logits = factor * logits */
struct ScaleLogits {
  float factor;
};
/** logits = limit * tanh(logits / limit) */
struct CapLogits {
  float limit;
};

using RowOperation = std::variant<Embed, Normalize, AddBias, NormalizeHeads, Clip, Rotate, StoreHeads, Choose, Combine,
                                  AddShared, AddMixed, ScaleLogits, CapLogits>;

// Operations on all rows.

/** Row operations one after the other, row by row. */
struct EachRow {
  std::vector<RowOperation> operations;
};
/** to[column, ...) = matrix * from, for each part. */
struct Multiply {
  struct Part {
    WeightRole matrix;
    int32_t column = 0;
  };
  ActivationRowsOf from;
  FloatRows to;
  std::vector<Part> parts;
};
/** attended = attention of the block. */
struct Attend {};
/** to = down (activation(gate normalized) * (up normalized)) */
struct RunMlp {
  GatedMlp mlp;
  bool shared;  // the shared expert's weights, else the layer's own
  FloatRows to;
};

using Operation = std::variant<EachRow, Multiply, Attend, RunMlp>;

/** Operations of one layer, or of none (-1) before the first and after the last. */
struct Passage {
  int32_t layer;
  std::span<const Operation> operations;
  bool ofLogitRows = false;
};

class Program {
 public:
  explicit Program(const ModelDescription& description);

  int32_t moeLayers() const { return static_cast<int32_t>(moeLayers_.size()); }
  /** The model's layer that is MoE layer `index`. */
  int32_t layerOf(int32_t index) const { return moeLayers_[static_cast<size_t>(index)]; }

  /**
   * Piece 0 begins with the embedding, piece i > 0 with what the experts of MoE layer i - 1 contribute. Piece i <
   * moeLayers ends with the router of MoE layer i, the last with the logits.
   */
  const std::vector<Passage>& piece(int32_t index) const { return pieces_[static_cast<size_t>(index)]; }
  const GatedMlp& expertOf(int32_t index) const { return blockOf(layerOf(index)).expert; }
  /** What MoE layer `index` computes while its experts are elsewhere: the shared expert; before piece index + 1. */
  Passage beside(int32_t index) const;

  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

 private:
  struct BlockProgram {
    std::vector<Operation> attention, mlp;  // mlp of a MoE block ends with the router
    std::vector<Operation> beside, after;   // of a MoE block
    GatedMlp expert;                        // of a MoE block
  };
  static BlockProgram blockProgram(const Block& block);
  const BlockProgram& blockOf(int32_t layer) const {
    return blocks_[static_cast<size_t>(blockOfLayer_[static_cast<size_t>(layer)])];
  }

  std::vector<Operation> begin_, finish_;
  std::vector<BlockProgram> blocks_;
  std::vector<int32_t> blockOfLayer_, moeLayers_;
  std::vector<std::vector<Passage>> pieces_;
};

}  // namespace conclave
