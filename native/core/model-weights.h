// Where a session finds its weights: a table of sections of mapped files, looked up by layer, expert and role. A
// session holds the files as long as it points into them. The id of an expert is index * experts + expert, where index
// counts the MoE layers.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mapped-file.h"
#include "required-weights.h"
#include "weight-format.h"

namespace conclave {

/** A row of a pack's table; layer and expert are -1 for what belongs to none. */
struct WeightSection {
  WeightRole role;
  int32_t layer, expert;
  WeightFormat format;
  int32_t outputs, inputs;
  int64_t offset;  // from the beginning of the file, in bytes
};

/** A weight in memory; data is null where there is none. */
struct Weight {
  const std::byte* data = nullptr;
  WeightFormat format;
  int32_t outputs = 0, inputs = 0;
  int64_t bytes = 0;

  const float* vector() const { return reinterpret_cast<const float*>(data); }
};

class ModelWeights {
  template <size_t Roles>
  struct Held {
    std::array<Weight, Roles> byRole;
    std::shared_ptr<const MappedFile> file;
  };

 public:
  explicit ModelWeights(const ModelDescription& description);

  /** What a change replaced, by owner. */
  struct Replaced {
    std::vector<std::pair<size_t, Held<weightRoleCount>>> shared;
    std::vector<std::pair<size_t, Held<expertRoleCount>>> experts;
  };

  /** Takes in sections of a file. Throws Failure naming the section at fault, and changes nothing then. */
  Replaced attach(const std::shared_ptr<const MappedFile>& file, const std::vector<WeightSection>& sections);
  /** Forgets experts, by id, and lets go of their files. Throws Failure when there is no such expert. */
  Replaced detachExperts(std::span<const int32_t> ids);
  /** Undoes the latest change. */
  void restore(Replaced&& replaced);

  /** Throws Failure naming what is missing for a step that runs every layer here. */
  void requireComplete() const;
  /** Throws Failure naming what is missing of everything but experts. */
  void requireShared() const;
  /** Throws Failure unless there is such an expert and it is here. index: of a MoE layer, counted among those. */
  void requireExpert(int32_t index, int32_t expert) const;

  /** The packs attached now, each once. */
  std::vector<std::shared_ptr<const MappedFile>> files() const;

  /** The formats of the matrices attached now, and of the embedding, each once. */
  std::vector<WeightFormat> matrixFormats() const;

  /** layer: noLayer for what belongs to none. */
  const Weight& of(int32_t layer, WeightRole role) const {
    return shared_[static_cast<size_t>(layer + 1)].byRole[indexOf(role)];
  }
  /** layer: a MoE layer. */
  const Weight& ofExpert(int32_t layer, int32_t expert, WeightRole role) const {
    return experts_[idOf(layer, expert)].byRole[expertRole(role)];
  }

  static constexpr int32_t noLayer = -1, noExpert = -1;

 private:
  const std::vector<RequiredWeight>& requiredOf(const WeightSection& section) const;
  const RequiredWeight& check(const MappedFile& file, const WeightSection& section) const;
  size_t idOf(int32_t layer, int32_t expert) const {
    return firstId_[static_cast<size_t>(layer)] + static_cast<size_t>(expert);
  }
  bool hasExperts(int32_t layer) const { return !requiredOfExperts_[static_cast<size_t>(layer)].empty(); }
  void put(const WeightSection& section, const std::shared_ptr<const MappedFile>& file, const Weight& weight);
  void keepOld(const WeightSection& section, Replaced& replaced) const;
  void findMissing(const Replaced& replaced);
  const char* firstMissing() const;
  bool isHere(size_t id) const;
  std::string nameOfId(size_t id) const;

  ModelShape shape_;
  std::vector<std::vector<RequiredWeight>> required_;           // of the model, then of each layer
  std::vector<std::vector<RequiredWeight>> requiredOfExperts_;  // [layers]; empty for dense ones
  std::vector<int32_t> layerOf_;                                // [MoE layers]: among all
  std::vector<size_t> firstId_;                                 // [layers]
  std::vector<Held<weightRoleCount>> shared_;                   // of the model, then of each layer
  std::vector<Held<expertRoleCount>> experts_;                  // [MoE layers, experts]
  // What attached sections leave open.
  const char* missing_ = nullptr;
  std::vector<bool> expertHere_;  // [MoE layers, experts]
  size_t expertsHere_ = 0;
};

}  // namespace conclave
