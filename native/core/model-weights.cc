#include "model-weights.h"

#include <algorithm>
#include <string>
#include <utility>

#include "failure.h"
#include "panel-layout.h"

namespace conclave {
namespace {

// What the widest load wants; packs align to 16 KiB.
constexpr int64_t sectionAlignment = 64;
constexpr int64_t vectorMultiple = 32;

std::string nameOf(WeightRole role, int32_t layer, int32_t expert) {
  std::string name = weightRoleNames[indexOf(role)];
  if (layer >= 0) name += " of layer " + std::to_string(layer);
  if (expert >= 0) name += ", expert " + std::to_string(expert);
  return name;
}

// Matrices whose rows are not widened for them.
bool isOfMlp(WeightRole role) {
  return role == WeightRole::gateUp || role == WeightRole::down || role == WeightRole::sharedGateUp ||
         role == WeightRole::sharedDown;
}

int64_t bytesOf(const RequiredWeight& weight, const WeightFormat& format) {
  switch (weight.layout) {
    case WeightLayout::rows:
      if (format.packed()) return matrixBytes(format, weight.outputs, weight.inputs);
      return int64_t{weight.outputs} * weight.inputs * static_cast<int64_t>(bytesPerWeight(format.plain()));
    case WeightLayout::vector:
      return (weight.inputs + vectorMultiple - 1) / vectorMultiple * vectorMultiple * int64_t{sizeof(float)};
    case WeightLayout::panels:
      return weight.pairedPanels ? 2 * matrixBytes(format, weight.outputs / 2, weight.inputs)
                                 : matrixBytes(format, weight.outputs, weight.inputs);
  }
  return 0;
}

}  // namespace

ModelWeights::ModelWeights(const ModelDescription& description) : shape_(description.shape()) {
  required_.push_back(modelWeights(description));
  size_t experts = 0;
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    const Block& block = description.block(layer);
    required_.push_back(layerWeights(description, block));
    requiredOfExperts_.push_back(block.moe() == nullptr ? std::vector<RequiredWeight>()
                                                        : expertWeights(description, *block.moe()));
    firstId_.push_back(experts);
    if (block.moe() == nullptr) continue;
    layerOf_.push_back(layer);
    experts += static_cast<size_t>(shape_.experts);
  }
  shared_.resize(required_.size());
  experts_.resize(experts);
  expertHere_.resize(experts);
  missing_ = firstMissing();
}

ModelWeights::Replaced ModelWeights::attach(const std::shared_ptr<const MappedFile>& file,
                                            const std::vector<WeightSection>& sections) {
  for (const WeightSection& section : sections) check(*file, section);
  Replaced replaced;
  for (const WeightSection& section : sections) {
    keepOld(section, replaced);
    const int64_t bytes = bytesOf(check(*file, section), section.format);
    put(section, file, {file->range(section.offset, bytes), section.format, section.outputs, section.inputs, bytes});
  }
  findMissing(replaced);
  return replaced;
}

// Sections of one owner follow each other in a table: what was there is kept once, or more often, the first counting.
void ModelWeights::keepOld(const WeightSection& section, Replaced& replaced) const {
  const auto keep = [](auto& kept, size_t owner, const auto& held) {
    if (kept.empty() || kept.back().first != owner) kept.emplace_back(owner, held);
  };
  if (section.expert == noExpert) {
    const size_t owner = static_cast<size_t>(section.layer + 1);
    keep(replaced.shared, owner, shared_[owner]);
  } else {
    const size_t owner = idOf(section.layer, section.expert);
    keep(replaced.experts, owner, experts_[owner]);
  }
}

void ModelWeights::put(const WeightSection& section, const std::shared_ptr<const MappedFile>& file,
                       const Weight& weight) {
  if (section.expert == noExpert) {
    Held<weightRoleCount>& held = shared_[static_cast<size_t>(section.layer + 1)];
    held.byRole[indexOf(section.role)] = weight;
    held.file = file;
  } else {
    Held<expertRoleCount>& held = experts_[idOf(section.layer, section.expert)];
    held.byRole[expertRole(section.role)] = weight;
    held.file = file;
  }
}

void ModelWeights::restore(Replaced&& replaced) {
  for (auto old = replaced.shared.rbegin(); old != replaced.shared.rend(); ++old) shared_[old->first] = old->second;
  for (auto old = replaced.experts.rbegin(); old != replaced.experts.rend(); ++old) experts_[old->first] = old->second;
  findMissing(replaced);
}

const std::vector<RequiredWeight>& ModelWeights::requiredOf(const WeightSection& section) const {
  const auto [role, layer, expert, format, outputs, inputs, offset] = section;
  require(layer >= noLayer && layer < shape_.layers, "there is no layer " + std::to_string(layer));
  if (expert == noExpert) return required_[static_cast<size_t>(layer + 1)];
  require(layer != noLayer && hasExperts(layer), "layer " + std::to_string(layer) + " has no experts");
  require(expert >= 0 && expert < shape_.experts, "there is no expert " + std::to_string(expert));
  return requiredOfExperts_[static_cast<size_t>(layer)];
}

const RequiredWeight& ModelWeights::check(const MappedFile& file, const WeightSection& section) const {
  const std::vector<RequiredWeight>& all = requiredOf(section);
  const std::string name = nameOf(section.role, section.layer, section.expert);
  const auto required =
      std::find_if(all.begin(), all.end(), [&](const RequiredWeight& weight) { return weight.role == section.role; });
  require(required != all.end(), "the model has no " + name);
  require(section.outputs == required->outputs && section.inputs == required->inputs,
          name + " is [" + std::to_string(section.outputs) + ", " + std::to_string(section.inputs) + "] but must be [" +
              std::to_string(required->outputs) + ", " + std::to_string(required->inputs) + "]");
  require(required->layout != WeightLayout::vector || section.format == DType::f32, name + " must be f32");
  require(section.format != DType::bf16 || shape_.activations == DType::bf16,
          name + " is bf16 in a model of f32 activations");
  require(fitsInputs(section.format, section.inputs), name + " has " + std::to_string(section.inputs) +
                                                          " inputs, which is no multiple of its groups of " +
                                                          std::to_string(section.format.group));
  require(!isOfMlp(section.role) || takesAsTheyAre(section.format, shape_.activations),
          name + " is stored for another type of activations");
  require(section.offset % sectionAlignment == 0, "the offset of " + name + " is not aligned");
  file.range(section.offset, bytesOf(*required, section.format));
  return *required;
}

ModelWeights::Replaced ModelWeights::detachExperts(std::span<const int32_t> ids) {
  for (const int32_t id : ids) {
    require(id >= 0 && static_cast<size_t>(id) < experts_.size(), "there is no expert of id " + std::to_string(id));
  }
  Replaced replaced;
  for (const int32_t id : ids) {
    const size_t owner = static_cast<size_t>(id);
    replaced.experts.emplace_back(owner, std::exchange(experts_[owner], {}));
  }
  findMissing(replaced);
  return replaced;
}

std::vector<std::shared_ptr<const MappedFile>> ModelWeights::files() const {
  std::vector<std::shared_ptr<const MappedFile>> files;
  const auto list = [&](const std::shared_ptr<const MappedFile>& file) {
    if (file == nullptr || (!files.empty() && files.back() == file)) return;
    if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  };
  for (const auto& held : shared_) list(held.file);
  for (const auto& held : experts_) list(held.file);
  return files;
}

std::vector<WeightFormat> ModelWeights::matrixFormats() const {
  std::vector<WeightFormat> formats;
  const auto list = [&](const RequiredWeight& required, const Weight& weight) {
    if (required.layout == WeightLayout::vector || weight.data == nullptr) return;
    if (std::ranges::find(formats, weight.format) == formats.end()) formats.push_back(weight.format);
  };
  for (int32_t layer = noLayer; layer < shape_.layers; ++layer) {
    for (const RequiredWeight& required : required_[static_cast<size_t>(layer + 1)])
      list(required, of(layer, required.role));
  }
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    for (const RequiredWeight& required : requiredOfExperts_[static_cast<size_t>(layer)]) {
      for (int32_t e = 0; e < shape_.experts; ++e) list(required, ofExpert(layer, e, required.role));
    }
  }
  return formats;
}

// Looks where something has changed.
void ModelWeights::findMissing(const Replaced& replaced) {
  if (!replaced.shared.empty()) missing_ = firstMissing();
  for (const auto& [id, old] : replaced.experts) {
    const bool here = isHere(id);
    if (here != expertHere_[id]) expertsHere_ += here ? size_t{1} : size_t(-1);
    expertHere_[id] = here;
  }
}

const char* ModelWeights::firstMissing() const {
  for (size_t owner = 0; owner < required_.size(); ++owner) {
    for (const RequiredWeight& weight : required_[owner]) {
      if (shared_[owner].byRole[indexOf(weight.role)].data == nullptr) return weightRoleNames[indexOf(weight.role)];
    }
  }
  return nullptr;
}

bool ModelWeights::isHere(size_t id) const {
  const size_t layer = static_cast<size_t>(layerOf_[id / static_cast<size_t>(shape_.experts)]);
  const auto& required = requiredOfExperts_[layer];
  return std::all_of(required.begin(), required.end(), [&](const RequiredWeight& weight) {
    return experts_[id].byRole[expertRole(weight.role)].data != nullptr;
  });
}

std::string ModelWeights::nameOfId(size_t id) const {
  const size_t experts = static_cast<size_t>(shape_.experts);
  return "expert " + std::to_string(id % experts) + " of layer " + std::to_string(layerOf_[id / experts]);
}

void ModelWeights::requireComplete() const {
  requireShared();
  if (expertsHere_ == experts_.size()) return;
  const auto absent = std::find(expertHere_.begin(), expertHere_.end(), false);
  const size_t id = static_cast<size_t>(absent - expertHere_.begin());
  throw Failure(FailureCode::invalidArgument, nameOfId(id) + " is not attached");
}

void ModelWeights::requireShared() const {
  if (missing_ == nullptr) return;
  throw Failure(FailureCode::invalidArgument,
                std::string("the shared weights are not attached: ") + missing_ + " is missing");
}

void ModelWeights::requireExpert(int32_t index, int32_t expert) const {
  const bool exists = expert >= 0 && expert < shape_.experts;
  const size_t id = exists ? static_cast<size_t>(index * shape_.experts + expert) : 0;
  if (exists && expertHere_[id]) return;
  throw Failure(FailureCode::invalidArgument,
                exists ? nameOfId(id) + " is not attached" : "there is no expert " + std::to_string(expert));
}

}  // namespace conclave
