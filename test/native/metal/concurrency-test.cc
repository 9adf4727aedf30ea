// Commands run their dispatches at the same time between two barriers, signal events as they go, and keep nothing
// alive: what is wrong with that is noticed.
#include "../../../native/cpu/cpu-backend.h"
#include "../../../native/metal/await-signal.h"
#include "../../../native/metal/kernels/kernel-args.h"
#include "../../../native/metal/metal-backend.h"
#include "../failure-of.h"
#include "../random-model.h"
#include "intercepted-device.h"

using namespace conclave;
using namespace conclave::test;

namespace {

std::string textOf(const std::optional<Failure>& failure) { return failure.has_value() ? failure->what() : ""; }

bool says(const std::optional<Failure>& failure, const char* words) {
  return textOf(failure).find(words) != std::string::npos;
}

// to[0] += from[0]
struct Additions {
  EmulatedDevice device;
  std::unique_ptr<GpuPipeline> pipeline = device.pipeline(DType::f32, "add_bias", 32);
  std::unique_ptr<GpuBuffer> buffers[3] = {device.allocate(4), device.allocate(4), device.allocate(4)};

  Additions() { value(0) = 1; }
  float& value(size_t i) { return *reinterpret_cast<float*>(buffers[i]->contents()); }
  void add(GpuCommands& to, size_t from, size_t into) {
    const ColumnArguments arguments{1, 1, 0};
    to.dispatch(
        {pipeline.get(), {}, &arguments, sizeof arguments, {{buffers[from].get(), 0, 4}, {buffers[into].get(), 0, 4}}});
  }
};

}  // namespace

TEST("dispatches between two barriers must not touch what one of them writes") {
  const std::pair<size_t, size_t> first{0, 1};
  const std::pair<size_t, size_t> readsResult{1, 2}, writesInput{2, 0}, writesResult{2, 1};
  for (const auto& second : {readsResult, writesInput, writesResult}) {
    for (const bool ordered : {false, true}) {
      Additions additions;
      const auto commands = additions.device.commands();
      additions.add(*commands, first.first, first.second);
      if (ordered) commands->barrier();
      additions.add(*commands, second.first, second.second);
      commands->submit();
      const auto failure = failureOf([&] { commands->wait(); });
      CHECK(ordered ? !failure.has_value() : says(failure, "race"), textOf(failure));
    }
  }
  Additions apart;
  const auto commands = apart.device.commands();
  apart.add(*commands, 0, 1);
  apart.add(*commands, 0, 2);
  commands->submit();
  commands->wait();
  CHECK(apart.value(1) == 1 && apart.value(2) == 1, "two readers of one buffer");
}

TEST("a barrier that is missing in a step is noticed, whichever it is") {
  Random random(71);
  for (int trial = 0; trial < 3; ++trial) {
    const ModelDescription model = randomModel(random, 1, 4, 2);
    // Of one format: parts of one product that are computed apart write columns of the same rows.
    const RandomPack pack(model, random.bits(), 1.0f, formatOf(model));
    const Sequence sequence = randomSequence(random, model, 3, 0);
    const auto failureWithout = [&](size_t skipped, size_t& barriers) {
      Interception interception;
      interception.barrier = [&](size_t index) { return (barriers = index + 1, index != skipped); };
      ModelSession session(model, {4, 128}, [&](const ModelDescription&, const StepLimits& limits) {
        return std::make_unique<MetalBackend>(std::make_unique<InterceptedDevice>(interception), model, limits,
                                              "lanes");
      });
      pack.attachTo(session);
      StepBatch batch = batchOf({{&sequence, 0, 3}});
      std::vector<float> logits(3 * static_cast<size_t>(model.vocab));
      return outcomeOf(
          [&](ModelSession::Done done) { session.step(std::move(batch), logits.data(), std::move(done)); });
    };
    size_t barriers = 0, unused = 0;
    const auto whole = failureWithout(SIZE_MAX, barriers);
    CHECK(!whole.has_value() && barriers >= 10, std::to_string(barriers) + " barriers " + textOf(whole));
    for (size_t skipped = 0; skipped < barriers; ++skipped) {
      CHECK(says(failureWithout(skipped, unused), "race"), "barrier " + std::to_string(skipped));
    }
  }
}

TEST("a host sees what commands wrote once they signalled it, while they go on") {
  Additions additions;
  const auto event = additions.device.event();
  const auto commands = additions.device.commands();
  additions.add(*commands, 0, 1);
  commands->signal(*event, 5);
  additions.add(*commands, 1, 2);
  commands->signal(*event, 7);
  CHECK(event->signalled() == 0, "nothing is submitted");
  commands->submit();
  CHECK(event->signalled() == 0, "a host that looks too early sees nothing");
  awaitSignal(*event, 5, *commands);
  CHECK(additions.value(1) == 1 && !commands->haveEnded(), "what came before the signal is there");
  awaitSignal(*event, 7, *commands);
  CHECK(additions.value(2) == 1, "and what came after it");
  commands->wait();
  CHECK(event->signalled() == 7 && commands->haveEnded(), "the last value stays");
}

TEST("commands run in the order of their submission, whichever is waited for") {
  Additions additions;
  const auto first = additions.device.commands(), second = additions.device.commands();
  additions.add(*second, 1, 2);
  additions.add(*first, 0, 1);
  first->submit();
  second->submit();
  second->wait();
  CHECK(additions.value(2) == 1 && first->haveEnded(), "the second saw what the first wrote");
}

TEST("events that are misused are refused, and one that never comes is not waited for") {
  Additions additions;
  EmulatedDevice another;
  const auto event = additions.device.event(), stranger = another.event();
  const auto commands = additions.device.commands();
  commands->signal(*event, 2);
  CHECK(says(failureOf([&] { commands->signal(*event, 2); }), "ascend"), "the same value again");
  CHECK(says(failureOf([&] { commands->signal(*stranger, 1); }), "another device"), "another device's");
  commands->submit();
  CHECK(failureOf([&] { commands->signal(*event, 3); }).has_value(), "after submission");
  commands->wait();

  const auto failing = additions.device.commands();
  additions.add(*failing, 0, 1);
  additions.add(*failing, 1, 0);
  failing->signal(*event, 9);
  failing->submit();
  CHECK(says(failureOf([&] { awaitSignal(*event, 9, *failing); }), "race"), "commands that fail signal nothing");
}

TEST("what is freed while commands still name it is noticed") {
  for (const bool submitted : {false, true}) {
    Additions additions;
    auto commands = additions.device.commands();
    additions.add(*commands, 0, 1);
    if (submitted) commands->submit();
    additions.buffers[0].reset();
    if (!submitted) commands->submit();
    CHECK(says(failureOf([&] { commands->wait(); }), "a buffer was freed"), "a buffer");
  }
  Additions piped;
  const auto commands = piped.device.commands();
  piped.add(*commands, 0, 1);
  piped.pipeline.reset();
  commands->submit();
  CHECK(says(failureOf([&] { commands->wait(); }), "a pipeline was freed"), "a pipeline");

  Additions signalling;
  auto event = signalling.device.event();
  const auto last = signalling.device.commands();
  last->signal(*event, 1);
  last->submit();
  event.reset();
  CHECK(says(failureOf([&] { last->wait(); }), "an event was freed"), "an event");

  Additions ended;
  const auto done = ended.device.commands();
  ended.add(*done, 0, 1);
  done->submit();
  done->wait();
  ended.buffers[2].reset();
  const auto next = ended.device.commands();
  next->submit();
  CHECK(!failureOf([&] { next->wait(); }).has_value(), "what no commands name may go");
}
