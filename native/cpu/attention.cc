#include "attention.h"

#include <algorithm>
#include <cmath>

namespace conclave {
namespace {

// Enough queries per tile to reuse a block's keys and values from cache, few enough for their sums to stay there.
constexpr int32_t queriesPerTile = 96;
// Blocks that a thread takes at a time when the context of a few queries is shared out.
constexpr int32_t mostBlocksPerItem = 8;

}  // namespace

Attention::Attention(const AttentionDescription& attention, const ModelShape& shape, const Kernels& kernels,
                     int threads)
    : attention_(attention),
      kernels_(kernels),
      tileRows_(std::clamp(queriesPerTile / attention.groupSize(), 1, kvBlockTokens)),
      partialFloats_(int64_t{attention.groupSize()} * (attention.headDim + 2)),
      contextBlocks_((shape.maxContext + kvBlockTokens - 1) / kvBlockTokens),
      partials_(threads * contextBlocks_ * partialFloats_ * int64_t{sizeof(float)}) {
  const size_t queries = static_cast<size_t>(tileRows_ * attention.groupSize());
  const size_t width = static_cast<size_t>(attention.headDim);
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
    scratch.p = ActivationRows(shape.activations, static_cast<int64_t>(queries), kvBlockTokens);
    scratch_.push_back(std::move(scratch));
  }
}

void Attention::plan(const StepBatch& batch) {
  tiles_.clear();
  for (int32_t row = 0; row < batch.rows(); ++row) {
    const size_t r = static_cast<size_t>(row);
    const int32_t sequence = batch.sequences[r], position = batch.positions[r], block = position / kvBlockTokens;
    if (!tiles_.empty()) {
      Tile& tile = tiles_.back();
      if (tile.sequence == sequence && tile.lastBlock == block && tile.rows < tileRows_) {
        ++tile.rows;
        continue;
      }
    }
    tiles_.push_back({row, 1, position, sequence, block});
  }
}

void Attention::run(const StepBatch& batch, Layer layer, const KvCache& cache, const ActivationRows& q,
                    ActivationRows& out, ThreadPool& pool) {
  if (isWorthSplitting(pool.threads())) return runSplit(batch, layer, cache, q, out, pool);
  pool.run(static_cast<int32_t>(tiles_.size()) * attention_.kvHeads, [&](int32_t item, int thread) {
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    const Work work = workOf(item, layer);
    takeQueries(work, q, scratch);
    attendEarlier(batch, work, cache, scratch);
    attendLast(batch, work, cache, scratch);
    finish(work, out, scratch);
  });
}

// With fewer queries than threads, each of one row, threads would stand idle along a long context.
bool Attention::isWorthSplitting(int threads) const {
  const bool few = static_cast<int64_t>(tiles_.size()) * attention_.kvHeads < threads;
  return few &&
         std::any_of(tiles_.begin(), tiles_.end(),
                     [this](const Tile& tile) {
                       return tile.lastBlock - firstSeen(tile.firstPosition) / kvBlockTokens >= 2;
                     }) &&
         std::all_of(tiles_.begin(), tiles_.end(), [](const Tile& tile) { return tile.rows == 1; });
}

// Every block before the last by itself on any thread; then the blocks of each item are merged as one thread would have
// done.
void Attention::runSplit(const StepBatch& batch, Layer layer, const KvCache& cache, const ActivationRows& q,
                         ActivationRows& out, ThreadPool& pool) {
  int32_t longest = 0;
  for (const Tile& tile : tiles_) longest = std::max(longest, tile.lastBlock);
  const int32_t blocks = std::clamp(longest / (2 * pool.threads()), 1, mostBlocksPerItem);
  const int32_t ranges = (longest + blocks - 1) / blocks;
  const int32_t items = static_cast<int32_t>(tiles_.size()) * attention_.kvHeads, group = attention_.groupSize();
  pool.run(items * ranges, [&](int32_t i, int thread) {
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    const int32_t item = i / ranges, first = i % ranges * blocks;
    const Work work = workOf(item, layer);
    const int32_t seen = firstSeen(work.tile.firstPosition);
    takeQueries(work, q, scratch);
    for (int32_t index = std::max(first, seen / kvBlockTokens); index < std::min(first + blocks, work.tile.lastBlock);
         ++index) {
      const Keys keys{std::max(0, seen - index * kvBlockTokens), kvBlockTokens};
      attendBlock(cache, placeOf(batch, work, index), 0, group, keys, partial(item, index), scratch);
    }
  });
  pool.run(items, [&](int32_t item, int thread) {
    Scratch& scratch = scratch_[static_cast<size_t>(thread)];
    const Work work = workOf(item, layer);
    takeQueries(work, q, scratch);
    const int32_t firstBlock = firstSeen(work.tile.firstPosition) / kvBlockTokens;
    for (int32_t index = firstBlock; index < work.tile.lastBlock; ++index) {
      merge(partial(item, index), 0, group, index == firstBlock, scratch);
    }
    attendLast(batch, work, cache, scratch);
    finish(work, out, scratch);
  });
}

Attention::Sums Attention::partial(int32_t item, int32_t index) const {
  float* o = reinterpret_cast<float*>(partials_.data()) + (int64_t{item} * contextBlocks_ + index) * partialFloats_;
  float* m = o + int64_t{attention_.groupSize()} * attention_.headDim;
  return {o, m, m + attention_.groupSize()};
}

void Attention::takeQueries(const Work& work, const ActivationRows& q, Scratch& scratch) const {
  const int32_t group = attention_.groupSize();
  for (int32_t query = 0; query < work.tile.rows * group; ++query) {
    const int64_t head = work.kvHead * group + query % group;
    scratch.q[static_cast<size_t>(query)] = q.at(work.tile.firstRow + query / group, head * attention_.headDim);
  }
}

// All blocks but the last are seen whole by every row of the tile, unless the window of some row begins in them.
void Attention::attendEarlier(const StepBatch& batch, const Work& work, const KvCache& cache, Scratch& scratch) const {
  const Tile& tile = work.tile;
  const int32_t queries = tile.rows * attention_.groupSize();
  const int32_t seenByFirst = firstSeen(tile.firstPosition), seenByLast = firstSeen(tile.firstPosition + tile.rows - 1);
  const int32_t firstBlock = seenByFirst / kvBlockTokens;
  for (int32_t index = firstBlock; index < tile.lastBlock; ++index) {
    // A row whose window begins with this block has no sums of the ones before, which its neighbours have.
    const bool begins = index > firstBlock && index * kvBlockTokens == seenByLast;
    if (index * kvBlockTokens < seenByLast || begins) {
      for (int32_t r = 0; r < tile.rows; ++r) attendRow(batch, work, cache, r, index, scratch);
      continue;
    }
    attendBlock(cache, placeOf(batch, work, index), 0, queries, {0, kvBlockTokens}, ofBlock(scratch), scratch);
    merge(ofBlock(scratch), 0, queries, index == firstBlock, scratch);
  }
}

// In the last block each row sees its own number of keys, so rows go one by one and masked keys never touch V.
void Attention::attendLast(const StepBatch& batch, const Work& work, const KvCache& cache, Scratch& scratch) const {
  for (int32_t r = 0; r < work.tile.rows; ++r) attendRow(batch, work, cache, r, work.tile.lastBlock, scratch);
}

// One row of the tile with what it sees of a block, if anything.
void Attention::attendRow(const StepBatch& batch, const Work& work, const KvCache& cache, int32_t row, int32_t index,
                          Scratch& scratch) const {
  const int32_t group = attention_.groupSize(), position = work.tile.firstPosition + row;
  const int32_t seen = firstSeen(position), first = index * kvBlockTokens;
  const Keys keys{std::max(0, seen - first), std::min(kvBlockTokens, position + 1 - first)};
  if (keys.first >= keys.end) return;
  attendBlock(cache, placeOf(batch, work, index), row * group, group, keys, ofBlock(scratch), scratch);
  merge(ofBlock(scratch), row * group, group, index == seen / kvBlockTokens, scratch);
}

// A sink takes part in the softmax with a value of zero.
void Attention::joinSinks(const Work& work, Scratch& scratch) const {
  const int32_t group = attention_.groupSize(), width = attention_.headDim;
  std::fill(scratch.value.begin(), scratch.value.end(), 0.0f);
  for (int32_t query = 0; query < work.tile.rows * group; ++query) {
    const float sink = work.layer.sinks[work.kvHead * group + query % group];
    const size_t q = static_cast<size_t>(query);
    kernels_.mergeBlock(scratch.o.data() + int64_t{query} * width, &scratch.m[q], &scratch.sum[q], scratch.value.data(),
                        sink, 1.0f, width);
  }
}

void Attention::finish(const Work& work, ActivationRows& out, Scratch& scratch) const {
  if (work.layer.sinks != nullptr) joinSinks(work, scratch);
  const int32_t group = attention_.groupSize(), width = attention_.headDim;
  for (int32_t query = 0; query < work.tile.rows * group; ++query) {
    float* o = scratch.o.data() + int64_t{query} * width;
    kernels_.divide(o, width, scratch.sum[static_cast<size_t>(query)]);
    const int64_t head = work.kvHead * group + query % group;
    out.set(kernels_, work.tile.firstRow + query / group, head * width, o, width);
  }
}

void Attention::attendBlock(const KvCache& cache, const KvPlace& place, int32_t firstQuery, int32_t queries, Keys keys,
                            const Sums& block, Scratch& scratch) const {
  const bool rounded = scratch.p.type() == DType::bf16;
  float* scores = scratch.scores.data();
  kernels_.matmul(cache.keys(place), {scratch.q.data() + firstQuery, scratch.p.type()}, queries, scores, kvBlockTokens);
  for (int32_t i = 0; i < queries; ++i) {
    kernels_.softmaxBlock(scores + int64_t{i} * kvBlockTokens, keys.first, keys.end, attention_.scale, rounded,
                          &block.m[i], &block.sum[i]);
  }
  kernels_.storeRows(scores, kvBlockTokens, queries, kvBlockTokens, scratch.p.target(0, 0));
  // Sums run over pairs of keys; an odd last key has no partner and is added on its own.
  kernels_.matmul(cache.values(place, keys.end & ~1), {scratch.p.rows(), scratch.p.type()}, queries, block.o,
                  attention_.headDim);
  if (keys.end % 2 == 1) addLastKey(cache, place, keys.end - 1, queries, scores, block.o, scratch);
}

void Attention::merge(const Sums& block, int32_t firstQuery, int32_t queries, bool first, Scratch& scratch) const {
  const int32_t width = attention_.headDim;
  for (int32_t i = 0; i < queries; ++i) {
    const size_t query = static_cast<size_t>(firstQuery + i);
    float* o = scratch.o.data() + int64_t{firstQuery + i} * width;
    const float* blockO = block.o + int64_t{i} * width;
    if (first) {
      std::copy_n(blockO, width, o);
      scratch.m[query] = block.m[i];
      scratch.sum[query] = block.sum[i];
    } else {
      kernels_.mergeBlock(o, &scratch.m[query], &scratch.sum[query], blockO, block.m[i], block.sum[i], width);
    }
  }
}

void Attention::addLastKey(const KvCache& cache, const KvPlace& place, int32_t slot, int32_t queries, const float* p,
                           float* blockO, Scratch& scratch) const {
  const int32_t width = attention_.headDim;
  cache.readValue(place, slot, scratch.value.data());
  for (int32_t i = 0; i < queries; ++i) {
    kernels_.addScaled(blockO + int64_t{i} * width, scratch.value.data(), DType::f32,
                       p[int64_t{i} * kvBlockTokens + slot], width);
  }
}

}  // namespace conclave
