// Which weights a description needs, with their shapes.
#pragma once
#include <vector>

#include "model-description.h"
#include "weight-roles.h"

namespace conclave {

// How a section lies in its file: panels (panel-layout.h), rows as they are (panels where they are of a packed format),
// or f32 padded to a multiple of 32.
enum class WeightLayout { panels, rows, vector };

struct RequiredWeight {
  WeightRole role;
  WeightLayout layout;
  int32_t outputs, inputs;    // a vector is [1, length]
  bool pairedPanels = false;  // gate and up in turn, each padded to whole panels
};

/** What belongs to no layer. */
std::vector<RequiredWeight> modelWeights(const ModelDescription& description);
/** What a layer needs beside its experts. */
std::vector<RequiredWeight> layerWeights(const ModelDescription& description, const Block& block);
/** What one expert of a block needs. */
std::vector<RequiredWeight> expertWeights(const ModelDescription& description, const MoeMlp& moe);

}  // namespace conclave
