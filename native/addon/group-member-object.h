// AddonGroupMember of addon-types.ts.
#pragma once
#include <napi.h>

#include <memory>

#include "../exchange/expert-server.h"
#include "../exchange/group-member.h"

namespace conclave {

class ModelSessionObject;

class GroupMemberObject : public Napi::ObjectWrap<GroupMemberObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit GroupMemberObject(const Napi::CallbackInfo& info);

  // What is behind a JavaScript value: a member takes steps, unless it computes experts for a centralized leader. Throw
  // Failure when it is none of ours, of another session, or the other kind.
  static std::shared_ptr<GroupMember> memberOf(const Napi::Value& value, const ModelSessionObject& session);
  static std::shared_ptr<ExpertServer> serverOf(const Napi::Value& value, const ModelSessionObject& session);

 private:
  static GroupMemberObject& of(const Napi::Value& value, const ModelSessionObject& session);
  void leave(const Napi::CallbackInfo& info);

  // One of them, until it has left.
  std::shared_ptr<GroupMember> member_;
  std::shared_ptr<ExpertServer> server_;
  Napi::ObjectReference session_;
};

StepCommand stepOrderOf(const Napi::Value& value);

/** AddonGroupStepReport. */
Napi::Value toJavaScript(Napi::Env env, const GroupStepReport& report);

}  // namespace conclave
