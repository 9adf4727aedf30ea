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
                                     std::vector<double> speed, int32_t layers) {
  const Napi::Object policy = objectOf(value, "policy");
  const std::string name = stringOf(policy.Get("name"), "name");
  if (name == "least") return std::make_unique<ExpertAssigner>(std::move(holders), std::move(speed), layers);
  const int32_t topK = int32Of(policy.Get("topK"), "topK");
  require(topK >= 1 && layers >= 1, "topK and layers must be at least 1");
  const PaperGroup group{static_cast<int32_t>(speed.size()), topK, layers};
  holders.resize(holders.size() / static_cast<size_t>(layers));
  if (name == "deal") return std::make_unique<DealtExperts>(std::move(holders), group);
  if (name == "busy-full") return std::make_unique<BusyFull>(std::move(holders), group);
  if (name == "recent") return std::make_unique<LeastRecentlyUsed>(std::move(holders), group);
  require(name == "cold" && policy.Get("files").IsArray(), "there is no such policy");
  const auto objects = policy.Get("files").As<Napi::Array>();
  ColdWeights::Files files;
  for (uint32_t i = 0; i < objects.Length(); ++i) files.push_back(MappedFileObject::fileOf(objects.Get(i)));
  return std::make_unique<ColdWeights>(std::move(holders), group, std::move(files));
}

Napi::Function ExpertAssignerObject::define(Napi::Env env) {
  return DefineClass(env, "ExpertAssigner", {InstanceMethod<&ExpertAssignerObject::assign>("assign")});
}

ExpertAssignerObject::ExpertAssignerObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ExpertAssignerObject>(info) {
  guarded(info.Env(), [&] {
    const int32_t layers = int32Of(info[3], "layers");
    policy_ = policyOf(info[4], holdersOf(info[0], info[1]), speedOf(info[2]), layers);
  });
}

void ExpertAssignerObject::assign(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const int32_t layer = int32Of(info[0], "layer");
    const auto experts = arrayOf<int32_t>(info[1], napi_int32_array, "experts");
    const size_t slots = experts.ElementLength();
    int32_t* members = elementsOf<int32_t>(info[2], napi_int32_array, "members", static_cast<int64_t>(slots));
    // A copy: both arrays may be one, or shared with a thread that writes.
    experts_.assign(experts.Data(), experts.Data() + slots);
    policy_->assign(layer, experts_, {members, slots});
  });
}

}  // namespace conclave
