// The angles of rotary embedding: the same bits for every backend. Frequencies are those of transformers'
// modeling_rope_utils, rounded to f32 where it rounds; a row's depend on its own position alone, so that neither chunks
// nor neighbours change them.
#pragma once
#include <cstdint>
#include <vector>

#include "model-description.h"

namespace conclave {

class RotaryTable {
 public:
  explicit RotaryTable(const Rotary& rotary);

  int32_t pairs() const { return rotary_.dims / 2; }

  /** Cosine and sine of a position's angles, times the attention factor: [dims / 2] each. */
  void at(int32_t position, float* cosine, float* sine) const;

 private:
  struct Frequencies {
    std::vector<float> inverse;  // [dims / 2]
    float attentionFactor = 1;
  };

  const Frequencies& frequenciesAt(int32_t position, Frequencies& own) const;

  Rotary rotary_;
  Frequencies short_, long_;  // long: from longFrom_ on
  int32_t longFrom_;
};

}  // namespace conclave
