#include "group-member-object.h"

#include <string>
#include <utility>
#include <vector>

#include "../exchange/centralized-leader.h"
#include "../exchange/decentralized-member.h"
#include "arguments.h"
#include "exchange-arguments.h"
#include "expert-assigner-object.h"
#include "model-session-object.h"

namespace conclave {
namespace {

constexpr napi_type_tag typeTag = {0x6d2f84c17be05a93, 0x81c4f3a9d05e7b26};

const char* nameOf(GroupStepReport::Trouble trouble) {
  switch (trouble) {
    case GroupStepReport::Trouble::none:
      return "none";
    case GroupStepReport::Trouble::late:
      return "late";
    case GroupStepReport::Trouble::routing:
      return "routing";
    case GroupStepReport::Trouble::refused:
      return "refused";
    case GroupStepReport::Trouble::badFrame:
      return "bad_frame";
    case GroupStepReport::Trouble::failure:
      return "failure";
    case GroupStepReport::Trouble::noHolder:
      return "no_holder";
  }
  return "none";
}

template <typename Array, typename T>
Array arrayFrom(Napi::Env env, const std::vector<T>& values) {
  Array array = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace

Napi::Function GroupMemberObject::define(Napi::Env env) {
  return DefineClass(env, "GroupMember", {InstanceMethod<&GroupMemberObject::leave>("leave")});
}

GroupMemberObject::GroupMemberObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<GroupMemberObject>(info) {
  guarded(info.Env(), [&] {
    const ModelSessionObject& object = ModelSessionObject::of(info[0]);
    session_ = Napi::Persistent(info[0].As<Napi::Object>());
    const int32_t layers = object.open().shape().moeLayers;
    const Napi::Object options = objectOf(info[1], "options");
    const auto integer = [&](const char* name) { return int32Of(options.Get(name), name); };
    const GroupMember::Place place{integer("me"), integer("leader"), integer("members")};
    auto holders = holdersOf(options.Get("holderOffsets"), options.Get("holders"));
    std::vector<double> speed = speedOf(options.Get("speed"));
    auto exchange =
        std::make_unique<FrameExchange>(stringOf(options.Get("name"), "name"), uint32Of(options.Get("epoch"), "epoch"),
                                        exchangeStreamsOf(options, place.members));
    std::unique_ptr<LoadPolicy> policy = policyOf(options.Get("policy"), holders, speed, layers);
    const bool centralized = options.Get("centralized").ToBoolean();
    // After the options: reading an object may run JavaScript.
    const ModelSession& session = object.open();
    const ModelShape& shape = session.shape();
    if (!centralized) {
      member_ = std::make_shared<DecentralizedMember>(shape, place, std::move(policy), std::move(exchange));
    } else if (place.me == place.leader) {
      member_ = std::make_shared<CentralizedLeader>(shape, place, std::move(policy), std::move(holders),
                                                    std::move(speed), std::move(exchange));
    } else {
      server_ = std::make_shared<ExpertServer>(shape, place.leader, session.limits().maxRows, std::move(exchange));
    }
  });
  info.This().As<Napi::Object>().TypeTag(&typeTag);
}

GroupMemberObject& GroupMemberObject::of(const Napi::Value& value, const ModelSessionObject& session) {
  require(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&typeTag), "member must be a GroupMember");
  GroupMemberObject* const object = Unwrap(value.As<Napi::Object>());
  require(&ModelSessionObject::of(object->session_.Value()) == &session, "member is of another session");
  if (object->member_ == nullptr && object->server_ == nullptr) {
    throw Failure(FailureCode::closed, "the member has left its group");
  }
  return *object;
}

std::shared_ptr<GroupMember> GroupMemberObject::memberOf(const Napi::Value& value, const ModelSessionObject& session) {
  const auto& member = of(value, session).member_;
  require(member != nullptr, "member computes experts for its leader and takes no steps");
  return member;
}

std::shared_ptr<ExpertServer> GroupMemberObject::serverOf(const Napi::Value& value, const ModelSessionObject& session) {
  const auto& server = of(value, session).server_;
  require(server != nullptr, "member takes steps and computes no experts for a leader");
  return server;
}

// A call that runs keeps it until it has noticed.
void GroupMemberObject::leave(const Napi::CallbackInfo&) {
  if (const auto member = std::exchange(member_, nullptr)) member->exchange().interrupt();
  if (const auto server = std::exchange(server_, nullptr)) server->exchange().interrupt();
}

StepCommand stepOrderOf(const Napi::Value& value) {
  const Napi::Object object = objectOf(value, "order");
  StepCommand order{uint32Of(object.Get("step"), "step"), std::nullopt, int32sOf(object.Get("suspects"), "suspects")};
  if (object.Get("timeout").IsNull()) return order;
  const Napi::Object timeout = objectOf(object.Get("timeout"), "timeout");
  const auto number = [&](const char* name) {
    const double given = numberOf(timeout.Get(name), name);
    require(given >= 0, std::string(name) + " must not be negative");
    return given;
  };
  order.timeout = StepTimeout{number("floorMs"), number("factor"), number("normalMs")};
  return order;
}

Napi::Value toJavaScript(Napi::Env env, const GroupStepReport& report) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("trouble", nameOf(report.trouble));
  object.Set("culprits", arrayFrom<Napi::Int32Array>(env, report.culprits));
  object.Set("text", report.text);
  object.Set("attendSeconds", report.attendSeconds);
  object.Set("expertSeconds", report.expertSeconds);
  object.Set("projectSeconds", report.projectSeconds);
  object.Set("waitsMs", arrayFrom<Napi::Float64Array>(env, report.waitsMs));
  std::vector<double> members;
  for (const GroupStepReport::Member& member : report.members) {
    members.insert(members.end(), {member.expertSeconds, member.waitSeconds, static_cast<double>(member.slots),
                                   static_cast<double>(member.frames)});
  }
  object.Set("members", arrayFrom<Napi::Float64Array>(env, members));
  Napi::Array replaced = Napi::Array::New(env);
  for (const GroupStepReport::Replaced& one : report.replaced) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("member", one.member);
    entry.Set("why", one.why);
    replaced.Set(replaced.Length(), entry);
  }
  object.Set("replaced", replaced);
  object.Set("framesSent", static_cast<double>(report.framesSent));
  object.Set("bytesSent", static_cast<double>(report.bytesSent));
  return object;
}

}  // namespace conclave
