// Causal grouped-query attention of one kind of block over KV blocks: blocks are merged in ascending order, whichever
// thread computed them.
#pragma once
#include <algorithm>
#include <vector>

#include "../core/step-batch.h"
#include "../core/thread-pool.h"
#include "activation-rows.h"
#include "kv-cache.h"

namespace conclave {

class Attention {
 public:
  Attention(const AttentionDescription& attention, const ModelShape& shape, const Kernels& kernels, int threads);

  /** Cuts the batch into tiles; before the first layer of a step. */
  void plan(const StepBatch& batch);

  // What a layer attends with.
  struct Layer {
    int32_t layer;
    const float* sinks;  // [heads], or null
  };

  /**
   * out[r] = softmax(scale * q[r] K) V per head, over the positions up to the row's own that its window reaches. q and
   * out: [rows, heads * headDim]. The keys and values of the batch's own rows are in the cache already.
   */
  void run(const StepBatch& batch, Layer layer, const KvCache& cache, const ActivationRows& q, ActivationRows& out,
           ThreadPool& pool);

 private:
  // Rows of one sequence whose positions lie in one KV block.
  struct Tile {
    int32_t firstRow, rows, firstPosition, sequence, lastBlock;
  };

  // What a range of keys gives, not yet divided: o [queries, headDim], m and sum [queries].
  struct Sums {
    float *o, *m, *sum;
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

  // A tile's queries with one KV head.
  struct Work {
    const Tile& tile;
    Layer layer;
    int32_t kvHead;
  };
  // Keys [first, end) of a block.
  struct Keys {
    int32_t first, end;
  };

  Work workOf(int32_t item, Layer layer) const {
    return {tiles_[static_cast<size_t>(item / attention_.kvHeads)], layer, item % attention_.kvHeads};
  }
  // The first position that a row at `position` sees.
  int32_t firstSeen(int32_t position) const {
    return attention_.window.has_value() ? std::max(0, position - *attention_.window + 1) : 0;
  }
  static KvPlace placeOf(const StepBatch& batch, const Work& work, int32_t index) {
    return {work.layer.layer, batch.blockOf(work.tile.sequence, index), work.kvHead};
  }
  bool isWorthSplitting(int threads) const;
  void runSplit(const StepBatch& batch, Layer layer, const KvCache& cache, const ActivationRows& q, ActivationRows& out,
                ThreadPool& pool);

  void takeQueries(const Work& work, const ActivationRows& q, Scratch& scratch) const;
  void attendEarlier(const StepBatch& batch, const Work& work, const KvCache& cache, Scratch& scratch) const;
  void attendLast(const StepBatch& batch, const Work& work, const KvCache& cache, Scratch& scratch) const;
  void attendRow(const StepBatch& batch, const Work& work, const KvCache& cache, int32_t row, int32_t index,
                 Scratch& scratch) const;
  void joinSinks(const Work& work, Scratch& scratch) const;
  void finish(const Work& work, ActivationRows& out, Scratch& scratch) const;

  void attendBlock(const KvCache& cache, const KvPlace& place, int32_t firstQuery, int32_t queries, Keys keys,
                   const Sums& block, Scratch& scratch) const;
  void addLastKey(const KvCache& cache, const KvPlace& place, int32_t slot, int32_t queries, const float* p,
                  float* blockO, Scratch& scratch) const;
  // The sums so far take in a later block's, or are the block's when it is the first.
  void merge(const Sums& block, int32_t firstQuery, int32_t queries, bool first, Scratch& scratch) const;
  Sums ofBlock(Scratch& scratch) const {
    return {scratch.blockO.data(), scratch.blockM.data(), scratch.blockSum.data()};
  }
  // Where split work keeps block `index` of an item until all blocks before it are merged.
  Sums partial(int32_t item, int32_t index) const;

  AttentionDescription attention_;
  const Kernels& kernels_;
  int32_t tileRows_;
  std::vector<Tile> tiles_;
  std::vector<Scratch> scratch_;
  int64_t partialFloats_;  // of one block of one item
  int32_t contextBlocks_;
  ZeroedMemory partials_;  // [items < threads, contextBlocks, partialFloats]
};

}  // namespace conclave
