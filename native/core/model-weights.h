// Where a session finds its weights: pointers into mapped packs. A session holds the files as long as it points into
// them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mapped-file.h"
#include "model-shape.h"

namespace conclave {

// Matrices are panels (panel-layout.h); norms are f32 [dModel].
struct LayerWeights {
  const float* norm1 = nullptr;
  const std::byte* wqkv = nullptr;  // [qkvWidth, dModel]
  const std::byte* wo = nullptr;    // [dModel, qWidth]
  const float* norm2 = nullptr;
  const std::byte* router = nullptr;  // [experts, dModel]
};

struct ExpertWeights {
  const std::byte* gateUp = nullptr;  // panels of w1 and v1, each [ffn, dModel], in turn
  const std::byte* down = nullptr;    // [dModel, ffn]
};

class ModelWeights {
 public:
  explicit ModelWeights(const ModelShape& shape);

  /** Offsets: per layer norm1, wqkv, wo, norm2, router; then embedding, finalNorm, lmHead. Throws Failure. */
  void attachShared(std::shared_ptr<const MappedFile> file, const std::vector<int64_t>& offsets);
  /** Offsets: per layer gateUp, down. Throws Failure. */
  void attachExpert(int32_t expert, std::shared_ptr<const MappedFile> file, const std::vector<int64_t>& offsets);
  /** Forgets an expert and lets go of its file. Throws Failure when there is no such expert. */
  void detachExpert(int32_t expert);

  /** Throws Failure naming what is missing for a step that runs every layer here. */
  void requireComplete() const;
  /** Throws Failure unless attention, router and embeddings are here. */
  void requireShared() const;
  /** Throws Failure unless there is such an expert and it is here. */
  void requireExpert(int32_t expert) const;

  /** The packs attached now, each once. */
  std::vector<std::shared_ptr<const MappedFile>> files() const;

  const LayerWeights& layer(int32_t layer) const { return layers_[static_cast<size_t>(layer)]; }
  const ExpertWeights& expert(int32_t layer, int32_t expert) const {
    return experts_[static_cast<size_t>(layer) * static_cast<size_t>(shape_.experts) + static_cast<size_t>(expert)];
  }
  const std::byte* embedding() const { return embedding_; }  // [vocab, dModel], plain rows
  const float* finalNorm() const { return finalNorm_; }
  const std::byte* lmHead() const { return lmHead_; }  // panels, [vocab, dModel]

 private:
  void requireExists(int32_t expert) const;
  void place(int32_t expert, const std::vector<ExpertWeights>& perLayer, std::shared_ptr<const MappedFile> file);

  ModelShape shape_;
  std::shared_ptr<const MappedFile> sharedFile_;
  std::vector<std::shared_ptr<const MappedFile>> expertFiles_;  // [experts]
  std::vector<LayerWeights> layers_;
  std::vector<ExpertWeights> experts_;  // [layers, experts]
  const std::byte* embedding_ = nullptr;
  const float* finalNorm_ = nullptr;
  const std::byte* lmHead_ = nullptr;
};

}  // namespace conclave
