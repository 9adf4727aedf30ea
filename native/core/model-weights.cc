#include "model-weights.h"

#include <algorithm>
#include <string>

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

ModelWeights::ModelWeights(const ModelDescription& description)
    : shape_(description.shape()), expertHere_(static_cast<size_t>(shape_.experts)) {
  required_.push_back(modelWeights(description));
  size_t experts = 0;
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    const Block& block = description.block(layer);
    required_.push_back(layerWeights(description, block));
    requiredOfExperts_.push_back(block.moe() == nullptr ? std::vector<RequiredWeight>()
                                                        : expertWeights(description, *block.moe()));
    firstExpert_.push_back(experts);
    if (block.moe() != nullptr) experts += static_cast<size_t>(shape_.experts);
  }
  shared_.resize(required_.size());
  experts_.resize(experts);
  findMissing();
}

void ModelWeights::attach(const std::shared_ptr<const MappedFile>& file, const std::vector<WeightSection>& sections) {
  for (const WeightSection& section : sections) check(*file, section);
  for (const WeightSection& section : sections) {
    const int64_t bytes = bytesOf(check(*file, section), section.format);
    const Weight weight{file->range(section.offset, bytes), section.format, section.outputs, section.inputs, bytes};
    if (section.expert == noExpert) {
      Held<weightRoleCount>& held = shared_[static_cast<size_t>(section.layer + 1)];
      held.byRole[indexOf(section.role)] = weight;
      held.file = file;
    } else {
      Held<expertRoleCount>& held = experts_[expertIndex(section.layer, section.expert)];
      held.byRole[expertRole(section.role)] = weight;
      held.file = file;
    }
  }
  findMissing();
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

void ModelWeights::detachExpert(int32_t expert) {
  require(expert >= 0 && expert < shape_.experts, "there is no expert " + std::to_string(expert));
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    if (hasExperts(layer)) experts_[expertIndex(layer, expert)] = {};
  }
  findMissing();
}

std::vector<std::shared_ptr<const MappedFile>> ModelWeights::files() const {
  std::vector<std::shared_ptr<const MappedFile>> files;
  const auto list = [&](const std::shared_ptr<const MappedFile>& file) {
    if (file != nullptr && std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
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

void ModelWeights::findMissing() {
  missing_ = firstMissing();
  for (int32_t e = 0; e < shape_.experts; ++e) expertHere_[static_cast<size_t>(e)] = isHere(e);
}

const char* ModelWeights::firstMissing() const {
  for (size_t owner = 0; owner < required_.size(); ++owner) {
    for (const RequiredWeight& weight : required_[owner]) {
      if (shared_[owner].byRole[indexOf(weight.role)].data == nullptr) return weightRoleNames[indexOf(weight.role)];
    }
  }
  return nullptr;
}

bool ModelWeights::isHere(int32_t expert) const {
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    for (const RequiredWeight& weight : requiredOfExperts_[static_cast<size_t>(layer)]) {
      if (ofExpert(layer, expert, weight.role).data == nullptr) return false;
    }
  }
  return true;
}

void ModelWeights::requireComplete() const {
  requireShared();
  for (int32_t e = 0; e < shape_.experts; ++e) requireExpert(e);
}

void ModelWeights::requireShared() const {
  if (missing_ == nullptr) return;
  throw Failure(FailureCode::invalidArgument,
                std::string("the shared weights are not attached: ") + missing_ + " is missing");
}

void ModelWeights::requireExpert(int32_t expert) const {
  const bool exists = expert >= 0 && expert < shape_.experts;
  if (exists && expertHere_[static_cast<size_t>(expert)]) return;
  throw Failure(FailureCode::invalidArgument, exists ? "expert " + std::to_string(expert) + " is not attached"
                                                     : "there is no expert " + std::to_string(expert));
}

}  // namespace conclave
