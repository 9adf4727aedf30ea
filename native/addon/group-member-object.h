// AddonGroupMember of addon-types.ts.
#pragma once
#include <napi.h>

#include <memory>

#include "../exchange/group-member.h"

namespace conclave {

class ModelSessionObject;

class GroupMemberObject : public Napi::ObjectWrap<GroupMemberObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit GroupMemberObject(const Napi::CallbackInfo& info);

  /** The member behind a JavaScript value. Throws Failure when it is none of ours, or of another session. */
  static std::shared_ptr<GroupMember> memberOf(const Napi::Value& value, const ModelSessionObject& session);

 private:
  void leave(const Napi::CallbackInfo& info);

  std::shared_ptr<GroupMember> member_;
  Napi::ObjectReference session_;
};

StepCommand stepOrderOf(const Napi::Value& value);

/** AddonGroupStepReport. */
Napi::Value toJavaScript(Napi::Env env, const GroupStepReport& report);

}  // namespace conclave
