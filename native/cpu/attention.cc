#include "attention.h"

#include <algorithm>
#include <cmath>

namespace conclave {
namespace {

// Enough queries per tile to reuse a block's keys and values from cache, few enough for their sums to stay there.
constexpr int32_t queriesPerTile = 96;

}  // namespace

Attention::Attention(const ModelShape& shape, const Kernels& kernels, int threads)
    : shape_(shape),
      kernels_(kernels),
      tileRows_(std::clamp(queriesPerTile / shape.groupSize(), 1, kvBlockTokens)),
      scale_(1.0f / std::sqrt(static_cast<float>(shape.headDim))) {
  const size_t queries = static_cast<size_t>(tileRows_ * shape.groupSize());
  const size_t width = static_cast<size_t>(shape.headDim);
  for (int t = 0; t < threads; ++t) {
    Scratch scratch;
    scratch.scores.resize(queries * kvBlockTokens);
    scratch.o.resize(queries * width);
    scratch.blockO.resize(queries * width);
    scratch.m.resize(queries);
    scratch.sum.resize(queries);
    scratch.blockM.resize(queries);
    scratch.blockSum.resize(queries);
    scratch.value.resize(width);
    scratch.q.resize(queries);
    scratch.p = ActivationRows(activationType(shape.dtype), static_cast<int64_t>(queries), kvBlockTokens);
    scratch_.push_back(std::move(scratch));
  }
}

void Attention::plan(const StepBatch& batch) {
  tiles_.clear();
  for (int32_t row = 0; row < batch.rows(); ++row) {
    const size_t r = static_cast<size_t>(row);
    const int32_t sequence = batch.sequences[r], block = batch.positions[r] / kvBlockTokens;
    if (!tiles_.empty()) {
      Tile& tile = tiles_.back();
      if (tile.sequence == sequence && tile.lastBlock == block && tile.rows < tileRows_) {
        ++tile.rows;
        continue;
      }
    }
    tiles_.push_back({row, 1, sequence, block});
  }
}

void Attention::run(const StepBatch& batch, int32_t layer, const KvCache& cache, const ActivationRows& q,
                    ActivationRows& out, ThreadPool& pool) {
  const int32_t kvHeads = shape_.kvHeads;
  pool.run(static_cast<int32_t>(tiles_.size()) * kvHeads, [&](int32_t item, int thread) {
    attendTile(batch, tiles_[static_cast<size_t>(item / kvHeads)], layer, item % kvHeads, cache, q, out,
               scratch_[static_cast<size_t>(thread)]);
  });
}

// Blocks are merged in ascending order. All blocks but the last are seen whole by every row of the tile; in the last
// one each row sees its own number of keys, so rows go one by one and masked keys never touch V.
void Attention::attendTile(const StepBatch& batch, const Tile& tile, int32_t layer, int32_t kvHead,
                           const KvCache& cache, const ActivationRows& q, ActivationRows& out, Scratch& scratch) const {
  const int32_t group = shape_.groupSize(), width = shape_.headDim;
  const int32_t firstHead = kvHead * group;
  for (int32_t r = 0; r < tile.rows; ++r) {
    for (int32_t g = 0; g < group; ++g) {
      scratch.q[static_cast<size_t>(r * group + g)] = q.at(tile.firstRow + r, int64_t{firstHead + g} * width);
    }
  }
  for (int32_t index = 0; index < tile.lastBlock; ++index) {
    const int32_t block = batch.blockOf(tile.sequence, index);
    attendBlock(cache, {layer, block, kvHead}, 0, tile.rows * group, kvBlockTokens, index == 0, scratch);
  }
  const int32_t block = batch.blockOf(tile.sequence, tile.lastBlock);
  for (int32_t r = 0; r < tile.rows; ++r) {
    const int32_t keys = batch.positions[static_cast<size_t>(tile.firstRow + r)] % kvBlockTokens + 1;
    attendBlock(cache, {layer, block, kvHead}, r * group, group, keys, tile.lastBlock == 0, scratch);
  }
  for (int32_t query = 0; query < tile.rows * group; ++query) {
    float* o = scratch.o.data() + int64_t{query} * width;
    kernels_.divide(o, width, scratch.sum[static_cast<size_t>(query)]);
    out.set(kernels_, tile.firstRow + query / group, int64_t{firstHead + query % group} * width, o, width);
  }
}

void Attention::attendBlock(const KvCache& cache, const KvPlace& place, int32_t firstQuery, int32_t queries,
                            int32_t keys, bool first, Scratch& scratch) const {
  const int32_t width = shape_.headDim;
  const bool rounded = scratch.p.type() == DType::bf16;
  float* scores = scratch.scores.data() + int64_t{firstQuery} * kvBlockTokens;
  float* blockO = (first ? scratch.o : scratch.blockO).data() + int64_t{firstQuery} * width;
  float* blockM = (first ? scratch.m : scratch.blockM).data() + firstQuery;
  float* blockSum = (first ? scratch.sum : scratch.blockSum).data() + firstQuery;
  kernels_.matmul(cache.keys(place), scratch.q.data() + firstQuery, queries, scores, kvBlockTokens);
  for (int32_t i = 0; i < queries; ++i) {
    kernels_.softmaxBlock(scores + int64_t{i} * kvBlockTokens, keys, scale_, rounded, &blockM[i], &blockSum[i]);
  }
  kernels_.storeRows(scores, kvBlockTokens, queries, kvBlockTokens, scratch.p.target(firstQuery, 0));
  // Sums run over pairs of keys; an odd last key has no partner and is added on its own.
  kernels_.matmul(cache.values(place, keys & ~1), scratch.p.rows() + firstQuery, queries, blockO, width);
  if (keys % 2 == 1) addLastKey(cache, place, keys - 1, queries, scores, blockO, scratch);
  if (first) return;
  for (int32_t i = 0; i < queries; ++i) {
    const size_t query = static_cast<size_t>(firstQuery + i);
    kernels_.mergeBlock(scratch.o.data() + int64_t{firstQuery + i} * width, &scratch.m[query], &scratch.sum[query],
                        blockO + int64_t{i} * width, blockM[i], blockSum[i], width);
  }
}

void Attention::addLastKey(const KvCache& cache, const KvPlace& place, int32_t slot, int32_t queries, const float* p,
                           float* blockO, Scratch& scratch) const {
  const int32_t width = shape_.headDim;
  cache.readValue(place, slot, scratch.value.data());
  for (int32_t i = 0; i < queries; ++i) {
    kernels_.addScaled(blockO + int64_t{i} * width, scratch.value.data(), DType::f32,
                       p[int64_t{i} * kvBlockTokens + slot], width);
  }
}

}  // namespace conclave
