// Which member computes each selected expert of a layer.
#pragma once
#include <cstdint>
#include <span>

namespace conclave {

class LoadPolicy {
 public:
  virtual ~LoadPolicy() = default;

  /**
   * Writes the member of each slot of a layer, counted among those with experts. experts, members: [rows, topK], flat;
   * they may not overlap. Throws Failure unavailable for an expert that no member holds, invalidArgument for a layer or
   * an expert that does not exist.
   */
  virtual void assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) = 0;

  /**
   * Experts that a member computes beside its slots of the latest assignment, with the step's first row; the outputs
   * are thrown away. None, except in benches of policies that keep weights warm.
   */
  virtual std::span<const int32_t> extraExperts(int32_t /*member*/) const { return {}; }

  // Of the placement: experts of one layer.
  virtual int32_t layers() const = 0;
  virtual int32_t experts() const = 0;
  virtual int32_t members() const = 0;
};

}  // namespace conclave
