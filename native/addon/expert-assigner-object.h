// AddonExpertAssigner of addon-types.ts.
#pragma once
#include <napi.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "../exchange/load-policy.h"

namespace conclave {

class ExpertAssignerObject : public Napi::ObjectWrap<ExpertAssignerObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ExpertAssignerObject(const Napi::CallbackInfo& info);

 private:
  void assign(const Napi::CallbackInfo& info);

  std::unique_ptr<LoadPolicy> policy_;  // always there, once the constructor is through
  std::vector<int32_t> experts_;        // of the last call, for its memory
};

// The arguments of createAssigner, as ExpertAssigner takes them. Throw Failure.
std::vector<std::vector<int32_t>> holdersOf(const Napi::Value& holderOffsets, const Napi::Value& holders);
std::vector<double> speedOf(const Napi::Value& value);
/** AddonPolicy of addon-types.ts. Throws Failure. */
std::unique_ptr<LoadPolicy> policyOf(const Napi::Value& policy, std::vector<std::vector<int32_t>> holders,
                                     std::vector<double> speed, int32_t layers);

}  // namespace conclave
