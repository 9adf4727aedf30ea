#include "model-weights.h"

#include <algorithm>
#include <string>

#include "failure.h"
#include "panel-layout.h"

namespace conclave {
namespace {

// Hands out sections of one file in the order of its offsets, each checked against the file's size.
class SectionReader {
 public:
  SectionReader(const MappedFile& file, const std::vector<int64_t>& offsets, size_t expected)
      : file_(file), offsets_(offsets) {
    require(offsets.size() == expected,
            "expected " + std::to_string(expected) + " section offsets but received " + std::to_string(offsets.size()));
  }

  const std::byte* next(int64_t bytes) {
    const int64_t offset = offsets_[index_++];
    require(offset % sectionAlignment == 0, "section offset " + std::to_string(offset) + " is not aligned");
    return file_.range(offset, bytes);
  }
  const float* nextNorm(int32_t width) {
    return reinterpret_cast<const float*>(next(int64_t{width} * static_cast<int64_t>(sizeof(float))));
  }

 private:
  // What the widest load wants; packs align to 16 KiB.
  static constexpr int64_t sectionAlignment = 64;

  const MappedFile& file_;
  const std::vector<int64_t>& offsets_;
  size_t index_ = 0;
};

}  // namespace

ModelWeights::ModelWeights(const ModelShape& shape)
    : shape_(shape),
      expertFiles_(static_cast<size_t>(shape.experts)),
      layers_(static_cast<size_t>(shape.layers)),
      experts_(static_cast<size_t>(shape.layers) * static_cast<size_t>(shape.experts)) {}

void ModelWeights::attachShared(std::shared_ptr<const MappedFile> file, const std::vector<int64_t>& offsets) {
  const ModelShape& s = shape_;
  SectionReader sections(*file, offsets, static_cast<size_t>(s.layers) * 5 + 3);
  std::vector<LayerWeights> layers(layers_.size());
  for (LayerWeights& layer : layers) {
    layer.norm1 = sections.nextNorm(s.dModel);
    layer.wqkv = sections.next(matrixBytes(s.dtype, s.qkvWidth(), s.dModel));
    layer.wo = sections.next(matrixBytes(s.dtype, s.dModel, s.qWidth()));
    layer.norm2 = sections.nextNorm(s.dModel);
    layer.router = sections.next(matrixBytes(s.dtype, s.experts, s.dModel));
  }
  embedding_ = sections.next(int64_t{s.vocab} * s.dModel * static_cast<int64_t>(bytesPerWeight(s.dtype)));
  finalNorm_ = sections.nextNorm(s.dModel);
  lmHead_ = sections.next(matrixBytes(s.dtype, s.vocab, s.dModel));
  layers_ = std::move(layers);
  sharedFile_ = std::move(file);
}

void ModelWeights::attachExpert(int32_t expert, std::shared_ptr<const MappedFile> file,
                                const std::vector<int64_t>& offsets) {
  const ModelShape& s = shape_;
  requireExists(expert);
  SectionReader sections(*file, offsets, static_cast<size_t>(s.layers) * 2);
  std::vector<ExpertWeights> perLayer(static_cast<size_t>(s.layers));
  for (ExpertWeights& weights : perLayer) {
    weights.gateUp = sections.next(2 * matrixBytes(s.dtype, s.ffn, s.dModel));
    weights.down = sections.next(matrixBytes(s.dtype, s.dModel, s.ffn));
  }
  place(expert, perLayer, std::move(file));
}

void ModelWeights::detachExpert(int32_t expert) {
  requireExists(expert);
  place(expert, std::vector<ExpertWeights>(static_cast<size_t>(shape_.layers)), nullptr);
}

void ModelWeights::place(int32_t expert, const std::vector<ExpertWeights>& perLayer,
                         std::shared_ptr<const MappedFile> file) {
  for (size_t layer = 0; layer < perLayer.size(); ++layer) {
    experts_[layer * static_cast<size_t>(shape_.experts) + static_cast<size_t>(expert)] = perLayer[layer];
  }
  expertFiles_[static_cast<size_t>(expert)] = std::move(file);
}

std::vector<std::shared_ptr<const MappedFile>> ModelWeights::files() const {
  std::vector<std::shared_ptr<const MappedFile>> files;
  const auto list = [&](const std::shared_ptr<const MappedFile>& file) {
    if (file != nullptr && std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  };
  list(sharedFile_);
  for (const auto& file : expertFiles_) list(file);
  return files;
}

void ModelWeights::requireComplete() const {
  requireShared();
  for (int32_t e = 0; e < shape_.experts; ++e) requireExpert(e);
}

void ModelWeights::requireShared() const { require(lmHead_ != nullptr, "the shared weights are not attached"); }

void ModelWeights::requireExpert(int32_t expert) const {
  requireExists(expert);
  require(this->expert(0, expert).down != nullptr, "expert " + std::to_string(expert) + " is not attached");
}

void ModelWeights::requireExists(int32_t expert) const {
  require(expert >= 0 && expert < shape_.experts, "there is no expert " + std::to_string(expert));
}

}  // namespace conclave
