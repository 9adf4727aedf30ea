// A centralized group: its leader and the members that compute experts give the logits that one session gives, even if
// a member is late, fails or sends something else.
#include <chrono>
#include <future>

#include "../../native/bench/paper-policies.h"
#include "../../native/core/failure.h"
#include "../../native/cpu/cpu-backend.h"
#include "../../native/exchange/centralized-leader.h"
#include "../../native/exchange/expert-server.h"
#include "fake-redis.h"
#include "group-streams.h"
#include "random-model.h"

using namespace conclave;
using namespace conclave::test;
using Trouble = GroupStepReport::Trouble;

namespace {

constexpr uint32_t epoch = 5;
constexpr StepLimits limits{16, 256};
// Long enough for any test, and as long as tests wait for what does not come.
// `brief` is waited for in full, yet must suffice for members that live, on a busy machine and under a sanitizer.
constexpr StepTimeout generous{20'000, 1, 0}, brief{2'000, 1, 0};

bool holds(const std::vector<int32_t>& holders, int32_t member) { return std::ranges::count(holders, member) > 0; }

void attachHeld(ModelSession& session, const RandomPack& pack, const Holders& holders, int32_t member) {
  for (size_t id = 0; id < holders.size(); ++id) {
    if (holds(holders[id], member)) pack.attachIdTo(session, static_cast<int32_t>(id));
  }
}

// A member that does not lead, without the shared pack; serves until it is destroyed.
class Helper {
 public:
  Helper(const FakeRedis& server, const ModelDescription& model, const RandomPack& pack, const Holders& holders,
         int32_t me, int32_t members, StepLimits sizes = limits)
      : session(model, sizes, createCpuBackend(1, "")),
        experts_(model.shape(), 0, sizes.maxRows,
                 std::make_unique<FrameExchange>("helper", epoch, streamsOf(server, me, members))) {
    attachHeld(session, pack, holders, me);
    serve();
  }
  ~Helper() {
    experts_.exchange().interrupt();
    ended_.get_future().wait();
  }

  /** What could not be computed, the oldest first; waits for it. */
  std::string problem() {
    std::unique_lock lock(mutex_);
    told_.wait_for(lock, std::chrono::seconds(20), [&] { return !problems_.empty(); });
    return problems_.empty() ? "none" : problems_.front();
  }

  ModelSession session;

 private:
  // Repeatedly, as JavaScript does.
  void serve() {
    const auto refused = std::make_shared<std::string>();
    session.serveBy([=, this](const ModelSession::ComputeExperts& compute) { *refused = experts_.serve(compute); },
                    [=, this](const std::optional<Failure>& failure) {
                      if (failure.has_value() && failure->code == FailureCode::interrupted) return ended_.set_value();
                      {
                        const std::lock_guard lock(mutex_);
                        problems_.push_back(failure.has_value() ? failure->what() : *refused);
                      }
                      told_.notify_all();
                      serve();
                    });
  }

  ExpertServer experts_;
  std::promise<void> ended_;
  std::mutex mutex_;
  std::condition_variable told_;
  std::vector<std::string> problems_;
};

std::vector<double> speeds(int32_t members) { return std::vector<double>(static_cast<size_t>(members), 1); }

std::unique_ptr<LoadPolicy> leastLoad(const ModelDescription& model, const Holders& holders, int32_t members) {
  return std::make_unique<ExpertAssigner>(holders, speeds(members), model.shape().moeLayers);
}

class Leader {
 public:
  Leader(const FakeRedis& server, const ModelDescription& model, const RandomPack& pack, const Holders& holders,
         int32_t members, std::unique_ptr<LoadPolicy> policy = nullptr)
      : session(model, limits, createCpuBackend(1, "")),
        member(model.shape(), {0, 0, members},
               policy == nullptr ? leastLoad(model, holders, members) : std::move(policy), holders, speeds(members),
               std::make_unique<FrameExchange>("leader", epoch, streamsOf(server, 0, members))) {
    pack.attachSharedTo(session);
    attachHeld(session, pack, holders, 0);
  }

  std::future<GroupStepReport> start(const std::vector<Part>& parts, const StepCommand& order) {
    StepBatch batch = batchOf(parts);
    logits.assign(batch.logitRows.size() * static_cast<size_t>(session.shape().vocab), 0);
    const auto report = std::make_shared<GroupStepReport>();
    const auto promise = std::make_shared<std::promise<GroupStepReport>>();
    session.stepBy(
        std::move(batch), logits.data(),
        [=, this](Backend& backend, const ModelWeights& weights, const StepBatch& checked, float* written) {
          *report = member.step(backend, weights, checked, order, written);
          return true;
        },
        [=](const std::optional<Failure>& failure) {
          if (failure.has_value()) {
            promise->set_exception(std::make_exception_ptr(*failure));
          } else {
            promise->set_value(*report);
          }
        });
    return promise->get_future();
  }

  ModelSession session;
  CentralizedLeader member;
  std::vector<float> logits;
};

// Three members, of which the leader holds nothing and the other two everything; two experts, both chosen in each row.
struct Three {
  Three() : random(36), model(randomModel(random, 2, 2, 2)), pack(model, random.bits()) {
    ModelSession alone(model, limits, createCpuBackend(1, ""));
    pack.attachTo(alone);
    expected = conclave::test::step(alone, parts);
  }

  Helper helper(int32_t me) { return Helper(server, model, pack, holders, me, 3); }
  Leader leader(std::unique_ptr<LoadPolicy> policy = nullptr) {
    return Leader(server, model, pack, holders, 3, std::move(policy));
  }
  // The work of the first layer that a member was sent.
  FrameHeader workOf(int32_t member) {
    for (const auto& command : server.commands("XADD", 2)) {
      if (command[1] == directOf(0, member)) return decodeFramePiece(command[7], command[9]);
    }
    throw std::runtime_error("no work for the member");
  }
  size_t bytesPerValue() const { return bytesPerWeight(model.activations); }

  Random random;
  ModelDescription model;
  RandomPack pack;
  Holders holders = inEveryLayer({{1, 2}, {1, 2}}, 2);
  Sequence sequence = randomSequence(random, model, 3, 0);
  std::vector<Part> parts{{&sequence, 0, 3}};
  std::vector<float> expected;
  FakeRedis server;
};

std::string shown(const GroupStepReport& report) {
  std::string all = std::to_string(static_cast<int>(report.trouble)) + ":";
  for (const int32_t culprit : report.culprits) all.append(" ").append(std::to_string(culprit));
  for (const auto& [member, why] : report.replaced) {
    all.append(" replaced ").append(std::to_string(member)).append(" ").append(why);
  }
  return all + " " + report.text;
}

}  // namespace

TEST("a centralized group's logits have the bits of one session's") {
  Random random(37);
  for (int trial = 0; trial < 12; ++trial) {
    const ModelDescription model = randomPackableModel(random);
    const RandomPack pack = packOfAnyFormats(model, random.bits());
    const int32_t members = random.between(1, 4), length = 50;
    const Sequence sequence = randomSequence(random, model, length, 0);
    Holders holders;
    for (int32_t id = 0; id < model.shape().moeLayers * model.shape().experts; ++id) {
      std::vector<int32_t>& of = holders.emplace_back();
      for (int32_t member = 0; member < members; ++member) {
        if (random.below(2) == 0) of.push_back(member);
      }
      if (of.empty()) of.push_back(random.below(members));
    }
    ModelSession alone(model, limits, createCpuBackend(1, ""));
    pack.attachTo(alone);
    FakeRedis server;
    std::vector<std::unique_ptr<Helper>> helpers;
    for (int32_t me = 1; me < members; ++me) {
      helpers.push_back(std::make_unique<Helper>(server, model, pack, holders, me, members));
    }
    Leader leader(server, model, pack, holders, members);
    uint32_t step = 0;
    for (int32_t from = 0; from < length;) {
      const int32_t to = std::min(length, from + random.of<int32_t>({1, 1, 2, 16, 17, 30}));
      const std::vector<Part> parts{{&sequence, from, to}};
      const GroupStepReport report = leader.start(parts, {++step, generous}).get();
      const std::string which = "trial " + std::to_string(trial) + ", " + std::to_string(members) + " members, rows " +
                                std::to_string(from) + " to " + std::to_string(to);
      CHECK(report.trouble == Trouble::none && report.replaced.empty(), which + ": " + shown(report));
      CHECK(equal(leader.logits, conclave::test::step(alone, parts)), which);
      from = to;
    }
  }
}

TEST("the share of a member that is late goes to a replica within the step") {
  Three group;
  Helper second = group.helper(2);
  Leader leader = group.leader();
  const GroupStepReport report = leader.start(group.parts, {1, brief}).get();
  CHECK(shown(report) == "0: replaced 1  ", shown(report));
  CHECK(equal(leader.logits, group.expected), "the bits of one session");
  CHECK(report.members[1].frames == 0 && report.members[2].frames == 3,
        "one layer twice, without the first from then on");
}

TEST("members under suspicion get no work") {
  Three group;
  Helper first = group.helper(1);
  Leader leader = group.leader();
  const GroupStepReport report = leader.start(group.parts, {1, generous, {2}}).get();
  CHECK(shown(report) == "0: ", shown(report));
  CHECK(equal(leader.logits, group.expected), "the bits of one session");
  for (const auto& command : group.server.commands("XADD", group.server.count("XADD"))) {
    CHECK(command[1] != directOf(0, 2), "nothing for a suspect");
  }
  // Suspicion is the caller's: the next step asks again.
  Helper second = group.helper(2);
  CHECK(leader.start(group.parts, {2, generous}).get().members[2].frames == 2, "asked again");
}

TEST("a leader computes itself what others do not answer") {
  Three group;
  group.holders = inEveryLayer({{0, 1}, {0, 2}}, 2);
  Leader leader = group.leader();
  const GroupStepReport report = leader.start(group.parts, {1, brief}).get();
  CHECK(report.trouble == Trouble::none, shown(report));
  CHECK(equal(leader.logits, group.expected), "the bits of one session");
}

TEST("a member that cannot compute reports it, and its share goes to a replica at once") {
  Three group;
  Helper first = group.helper(1), second = group.helper(2);
  first.session.detachExperts(std::vector<int32_t>{0, 1, 2, 3});
  Leader leader = group.leader();
  const GroupStepReport report = leader.start(group.parts, {1, generous}).get();
  CHECK(report.trouble == Trouble::none && report.replaced.size() == 1, shown(report));
  CHECK(report.replaced[0].member == 1 && report.replaced[0].why.ends_with("is not attached"), shown(report));
  CHECK(report.replaced[0].why == "member:" + first.problem(), first.problem());
  CHECK(equal(leader.logits, group.expected), "the bits of one session");
}

TEST("an expert that only suspects hold ends the step, and names them") {
  Three group;
  group.holders = inEveryLayer({{1}, {2}}, 2);
  Helper second = group.helper(2);
  Leader leader = group.leader();
  const GroupStepReport late = leader.start(group.parts, {1, brief}).get();
  CHECK(late.trouble == Trouble::noHolder && late.culprits == std::vector<int32_t>{1}, shown(late));
  CHECK(late.replaced.size() == 1 && late.replaced[0].member == 1, "and why");
  const GroupStepReport known = leader.start(group.parts, {2, generous, {1}}).get();
  CHECK(known.trouble == Trouble::noHolder && known.culprits == std::vector<int32_t>{1}, shown(known));
}

TEST("an answer that comes after its share was handed over is not needed") {
  Three group;
  Leader leader = group.leader();
  auto step = leader.start(group.parts, {1, brief});
  const FrameHeader work = group.workOf(1);
  // Both are late; no member is left for a second attempt.
  const GroupStepReport report = step.get();
  CHECK(report.trouble == Trouble::noHolder && report.replaced.size() == 2, shown(report));
  FrameHeader old = work;
  old.kind = FrameKind::outputs;
  old.bodyBytes = old.slots * old.width * static_cast<uint32_t>(group.bytesPerValue());
  write(group.server, directOf(1, 0), old, std::string(old.bodyBytes, '\0'));
  Helper second = group.helper(2);
  CHECK(leader.start(group.parts, {2, generous, {1}}).get().trouble == Trouble::none, "the next step");
  CHECK(equal(leader.logits, group.expected), "the bits of one session");
}

TEST("outputs that do not fit the work end the step, with the reason") {
  struct Case {
    std::string expected;
    std::function<void(FrameHeader& header)> spoil;
  };
  for (const auto& [expected, spoil] : std::vector<Case>{
           {"3: 1 Sent 2 outputs where 3 were expected.", [](FrameHeader& header) { header.slots = 2; }},
           {"3: 1 Sent 3 outputs where 3 were expected.", [](FrameHeader& header) { ++header.rows; }},
           {"3: 1 Sent 3 outputs where 3 were expected.", [](FrameHeader& header) { ++header.width; }},
           {"4: 1 A frame has a wrong piece.", [](FrameHeader& header) { header.pieces = 2; }},
       }) {
    Three group;
    Leader leader = group.leader();
    auto step = leader.start(group.parts, {1, generous});
    FrameHeader header = group.workOf(1);
    header.kind = FrameKind::outputs;
    spoil(header);
    header.bodyBytes = header.slots * header.width * static_cast<uint32_t>(group.bytesPerValue());
    write(group.server, directOf(1, 0), header, std::string(header.bodyBytes, '\0'));
    const std::string told = shown(step.get());
    CHECK(told == expected, expected + " but was told " + told);
  }
}

TEST("work that does not fit is refused by its member, which goes on") {
  struct Case {
    std::string expected;
    std::function<void(FrameHeader& header)> spoil;
  };
  for (const auto& [expected, spoil] : std::vector<Case>{
           {"the rows are of another width", [](FrameHeader& header) { ++header.width; }},
           {"the rows are of another type",
            [](FrameHeader& header) {
              header.dtype = header.dtype == FrameDtype::bf16 ? FrameDtype::f32 : FrameDtype::bf16;
            }},
           {"there are more slots than rows times experts per row", [](FrameHeader& header) { header.slots = 9; }},
           {"a step takes 1 to 4 rows", [](FrameHeader& header) { header.rows = 5; }},
           {"there is no layer 2", [](FrameHeader& header) { header.layer = 2; }},
           {"A frame has a wrong piece.", [](FrameHeader& header) { header.pieces = 2; }},
       }) {
    Three group;
    Helper member(group.server, group.model, group.pack, group.holders, 1, 3, {16, 4});
    FrameHeader header{};
    header.kind = FrameKind::work;
    header.dtype = group.bytesPerValue() == 2 ? FrameDtype::bf16 : FrameDtype::f32;
    header.epoch = epoch;
    header.pieces = 1;
    header.rows = header.slots = 2;
    header.width = static_cast<uint32_t>(group.model.dModel);
    const auto send = [&](FrameHeader frame, uint32_t step) {
      frame.step = step;
      frame.bodyBytes = frame.slots * 8 + frame.rows * frame.width * (frame.dtype == FrameDtype::bf16 ? 2 : 4);
      write(group.server, directOf(0, 1), frame, std::string(frame.bodyBytes, '\0'));
    };
    FrameHeader spoilt = header;
    spoil(spoilt);
    send(spoilt, 1);
    CHECK(member.problem() == expected, expected + " but was told " + member.problem());
    send(header, 2);
    const bool isFrame = spoilt.pieces == 1;
    const auto answers = group.server.commands("XADD", isFrame ? 2 : 1);
    CHECK(answers.back()[1] == directOf(1, 0), "to the leader");
    CHECK(decodeFramePiece(answers.back()[7], answers.back()[9]).kind == FrameKind::outputs, "of the work that fits");
    if (isFrame) CHECK(answers[0][6] == "failure" && answers[0][7] == "member:" + expected, "the leader is told why");
  }
}

TEST("a member serves on over a new connection when the old one ends") {
  std::atomic<int> reads = 0;
  Three group;
  FakeRedis server([&](const FakeRedis::Command& command) {
    const bool end = command[0] == "XREAD" && ++reads == 1;
    return end ? std::optional(std::vector<std::string>{FakeRedis::hangUp}) : std::nullopt;
  });
  Helper member(server, group.model, group.pack, group.holders, 1, 2);
  CHECK(member.problem() == "The exchange: the connection was closed", member.problem());
  group.holders = inEveryLayer({{1}, {1}}, 2);
  Leader leader(server, group.model, group.pack, group.holders, 2);
  CHECK(leader.start(group.parts, {1, generous}).get().trouble == Trouble::none, "served");
  CHECK(equal(leader.logits, group.expected), "the bits of one session");
}

TEST("experts that a policy computes besides change no bit") {
  Three group;
  Helper first = group.helper(1), second = group.helper(2);
  Leader leader = group.leader(std::make_unique<BusyFull>(Holders{{1, 2}, {1, 2}}, PaperGroup{3, 2, 2}));
  const GroupStepReport report = leader.start(group.parts, {1, generous}).get();
  CHECK(report.trouble == Trouble::none, shown(report));
  CHECK(equal(leader.logits, group.expected), "the bits of one session");
  // Of each row a member is dealt one of both experts, and computes the other with the first row.
  CHECK(report.members[1].slots == 2 * (3 + 1), std::to_string(report.members[1].slots) + " outputs of the first");
}

TEST("experts come and go while a member waits for work") {
  Three group;
  group.holders = inEveryLayer({{1}, {1}}, 2);
  Helper member(group.server, group.model, group.pack, {{1}, {}, {1}, {1}}, 1, 3);
  Leader leader = group.leader();
  CHECK(leader.start(group.parts, {1, generous}).get().trouble == Trouble::noHolder, "one is missing");
  member.problem();
  group.pack.attachIdTo(member.session, 1);
  CHECK(leader.start(group.parts, {2, generous}).get().trouble == Trouble::none, "it has come");
  CHECK(equal(leader.logits, group.expected), "the bits of one session");
}
