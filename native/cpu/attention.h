// Causal grouped-query attention over KV blocks.
#pragma once
#include <vector>

#include "../core/step-batch.h"
#include "../core/thread-pool.h"
#include "activation-rows.h"
#include "kv-cache.h"

namespace conclave {

class Attention {
 public:
  Attention(const ModelShape& shape, const Kernels& kernels, int threads);

  /** Cuts the batch into tiles; before the first layer of a step. */
  void plan(const StepBatch& batch);

  /**
   * out[r] = softmax(q[r] K / sqrt(headDim)) V over all positions up to the row's own, per head. q and out: [rows,
   * qWidth]. The keys and values of the batch's own rows are in the cache already.
   */
  void run(const StepBatch& batch, int32_t layer, const KvCache& cache, const ActivationRows& q, ActivationRows& out,
           ThreadPool& pool);

 private:
  // Rows of one sequence whose positions lie in one KV block.
  struct Tile {
    int32_t firstRow, rows, sequence, lastBlock;
  };

  // What one thread works on: queries are the tile's rows x the heads that share a KV head.
  struct Scratch {
    std::vector<float> scores;                    // [queries, 64]
    std::vector<float> o, m, sum;                 // of the blocks so far: [queries, headDim], [queries], [queries]
    std::vector<float> blockO, blockM, blockSum;  // of the block at hand
    std::vector<float> value;                     // [headDim]
    std::vector<const void*> q;                   // [queries]
    ActivationRows p;                             // [queries, 64]
  };

  void attendTile(const StepBatch& batch, const Tile& tile, int32_t layer, int32_t kvHead, const KvCache& cache,
                  const ActivationRows& q, ActivationRows& out, Scratch& scratch) const;
  void attendBlock(const KvCache& cache, const KvPlace& place, int32_t firstQuery, int32_t queries, int32_t keys,
                   bool first, Scratch& scratch) const;
  void addLastKey(const KvCache& cache, const KvPlace& place, int32_t slot, int32_t queries, const float* p,
                  float* blockO, Scratch& scratch) const;

  ModelShape shape_;
  const Kernels& kernels_;
  int32_t tileRows_;
  float scale_;
  std::vector<Tile> tiles_;
  std::vector<Scratch> scratch_;
};

}  // namespace conclave
