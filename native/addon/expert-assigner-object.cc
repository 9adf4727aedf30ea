#include "expert-assigner-object.h"

#include <string>
#include <utility>

#include "../bench/paper-policies.h"
#include "../exchange/expert-assigner.h"
#include "arguments.h"
#include "mapped-file-object.h"

namespace conclave {

std::vector<std::vector<int32_t>> holdersOf(const Napi::Value& holderOffsets, const Napi::Value& flat) {
  const std::vector<int32_t> offsets = int32sOf(holderOffsets, "holderOffsets"), all = int32sOf(flat, "holders");
  require(!offsets.empty() && offsets.front() == 0 && static_cast<size_t>(offsets.back()) == all.size(),
          "holderOffsets must go from 0 to the length of holders");
  std::vector<std::vector<int32_t>> holders;
  for (size_t expert = 0; expert + 1 < offsets.size(); ++expert) {
    const int32_t begin = offsets[expert], end = offsets[expert + 1];
    require(begin <= end && static_cast<size_t>(end) <= all.size(), "holderOffsets must not go down");
    holders.emplace_back(all.begin() + begin, all.begin() + end);
  }
  return holders;
}

std::vector<double> speedOf(const Napi::Value& value) {
  const auto speed = arrayOf<double>(value, napi_float64_array, "speed");
  return {speed.Data(), speed.Data() + speed.ElementLength()};
}

std::unique_ptr<LoadPolicy> policyOf(const Napi::Value& value, std::vector<std::vector<int32_t>> holders,
                                     std::vector<double> speed) {
  const Napi::Object policy = objectOf(value, "policy");
  const std::string name = stringOf(policy.Get("name"), "name");
  if (name == "least") return std::make_unique<ExpertAssigner>(std::move(holders), std::move(speed));
  const int32_t topK = int32Of(policy.Get("topK"), "topK"), layers = int32Of(policy.Get("layers"), "layers");
  require(topK >= 1 && layers >= 1, "topK and layers must be at least 1");
  const int32_t members = static_cast<int32_t>(speed.size());
  if (name == "deal") return std::make_unique<DealtExperts>(std::move(holders), members, topK);
  if (name == "busy-full") return std::make_unique<BusyFull>(std::move(holders), members, topK);
  if (name == "recent") return std::make_unique<LeastRecentlyUsed>(std::move(holders), members, topK, layers);
  require(name == "cold" && policy.Get("files").IsArray(), "there is no such policy");
  const auto objects = policy.Get("files").As<Napi::Array>();
  ColdWeights::Files files;
  for (uint32_t i = 0; i < objects.Length(); ++i) files.push_back(MappedFileObject::fileOf(objects.Get(i)));
  return std::make_unique<ColdWeights>(std::move(holders), members, topK, std::move(files));
}

Napi::Function ExpertAssignerObject::define(Napi::Env env) {
  return DefineClass(env, "ExpertAssigner", {InstanceMethod<&ExpertAssignerObject::assign>("assign")});
}

ExpertAssignerObject::ExpertAssignerObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ExpertAssignerObject>(info) {
  guarded(info.Env(), [&] { policy_ = policyOf(info[3], holdersOf(info[0], info[1]), speedOf(info[2])); });
}

void ExpertAssignerObject::assign(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto experts = arrayOf<int32_t>(info[0], napi_int32_array, "experts");
    const size_t slots = experts.ElementLength();
    int32_t* members = elementsOf<int32_t>(info[1], napi_int32_array, "members", static_cast<int64_t>(slots));
    // A copy: both arrays may be one, or shared with a thread that writes.
    experts_.assign(experts.Data(), experts.Data() + slots);
    policy_->assign(experts_, {members, slots});
  });
}

}  // namespace conclave
