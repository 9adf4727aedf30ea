// What a weight is for. Numbered in the order of WEIGHT_ROLES (weight-sections.ts), where shapes are explained.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace conclave {

enum class WeightRole : int32_t {
  embedding,
  finalNorm,
  finalNormBias,
  lmHead,
  lmHeadBias,
  attentionNorm,
  attentionNormBias,
  query,
  key,
  value,
  queryBias,
  keyBias,
  valueBias,
  queryNorm,
  keyNorm,
  sinks,
  attentionOutput,
  attentionOutputBias,
  mlpNorm,
  mlpNormBias,
  router,
  routerBias,
  choiceBias,
  gateUp,
  gateBias,
  upBias,
  down,
  downBias,
  sharedGateUp,
  sharedDown,
  sharedGate,
  sharedGateBias,
  sharedUpBias,
  sharedDownBias,
};

constexpr std::array weightRoleNames = {
    "embedding",         "finalNorm",      "finalNormBias", "lmHead",        "lmHeadBias",      "attentionNorm",
    "attentionNormBias", "query",          "key",           "value",         "queryBias",       "keyBias",
    "valueBias",         "queryNorm",      "keyNorm",       "sinks",         "attentionOutput", "attentionOutputBias",
    "mlpNorm",           "mlpNormBias",    "router",        "routerBias",    "choiceBias",      "gateUp",
    "gateBias",          "upBias",         "down",          "downBias",      "sharedGateUp",    "sharedDown",
    "sharedGate",        "sharedGateBias", "sharedUpBias",  "sharedDownBias"};
constexpr size_t weightRoleCount = weightRoleNames.size();
static_assert(weightRoleCount == static_cast<size_t>(WeightRole::sharedDownBias) + 1);

constexpr size_t indexOf(WeightRole role) { return static_cast<size_t>(role); }

// The roles that an expert can have, gateUp to downBias, numbered from 0.
constexpr size_t expertRole(WeightRole role) { return indexOf(role) - indexOf(WeightRole::gateUp); }
constexpr size_t expertRoleCount = expertRole(WeightRole::downBias) + 1;

}  // namespace conclave
