// Members of a decentralized group, each with its own session and experts, give the logits that one session gives; and
// say what is wrong when one of them does not play its part.
#include "../../native/exchange/decentralized-member.h"

#include <chrono>
#include <future>
#include <thread>

#include "../../native/core/failure.h"
#include "../../native/cpu/cpu-backend.h"
#include "../../native/exchange/expert-assigner.h"
#include "fake-redis.h"
#include "group-streams.h"
#include "random-model.h"

using namespace conclave;
using namespace conclave::test;
using Trouble = GroupStepReport::Trouble;

namespace {

constexpr uint32_t epoch = 5;
constexpr StepLimits limits{16, 256};
// Long enough for any test.
constexpr StepTimeout generous{20'000, 1, 0};

// A member with the experts that `holders` gives it; member 0 leads.
class Node {
 public:
  Node(const FakeRedis& server, const ModelDescription& model, const RandomPack& pack, const Holders& holders,
       int32_t me, int32_t members)
      : session_(model, limits, createCpuBackend(1, "")),
        member_(model.shape(), {me, 0, members},
                std::make_unique<ExpertAssigner>(holders, std::vector<double>(static_cast<size_t>(members), 1),
                                                 model.shape().moeLayers),
                std::make_unique<FrameExchange>("member", epoch, streamsOf(server, me, members))) {
    pack.attachSharedTo(session_);
    for (size_t id = 0; id < holders.size(); ++id) {
      if (std::ranges::count(holders[id], me) > 0) pack.attachIdTo(session_, static_cast<int32_t>(id));
    }
  }

  struct Outcome {
    GroupStepReport report;
    std::optional<Failure> failure;
  };
  /** Logits are null on followers. */
  std::future<Outcome> start(StepBatch batch, const StepCommand& order, float* logits) {
    const auto report = std::make_shared<GroupStepReport>();
    const auto promise = std::make_shared<std::promise<Outcome>>();
    const auto output = logits == nullptr ? std::nullopt : std::optional(LogitsOutput(logits));
    session_.stepBy(
        std::move(batch), output,
        [=, this](Backend& backend, const ModelWeights& weights, const StepBatch& checked, float* written) {
          *report = member_.step(backend, weights, checked, order, written);
          return true;
        },
        [=](const std::optional<Failure>& failure) {
          promise->set_value({*report, failure});
        });
    return promise->get_future();
  }

  ModelSession& session() { return session_; }
  void leave() { member_.exchange().interrupt(); }

 private:
  ModelSession session_;
  DecentralizedMember member_;
};

struct Group {
  Group(const FakeRedis& server, const ModelDescription& model, const RandomPack& pack, const Holders& holders,
        int32_t members) {
    for (int32_t me = 0; me < members; ++me) {
      nodes.push_back(std::make_unique<Node>(server, model, pack, holders, me, members));
    }
  }
  std::vector<std::unique_ptr<Node>> nodes;

  std::vector<float> step(uint32_t step, const std::vector<Part>& parts) {
    const StepBatch batch = batchOf(parts);
    std::vector<float> logits(batch.logitRows.size() * static_cast<size_t>(nodes[0]->session().shape().vocab));
    std::vector<std::future<Node::Outcome>> outcomes;
    for (const auto& node : nodes) {
      const bool leads = node == nodes.front();
      // Followers, too: where one fails the others would never return.
      outcomes.push_back(node->start(batch, {step, generous}, leads ? logits.data() : nullptr));
    }
    for (auto& each : outcomes) {
      const auto [report, failure] = each.get();
      CHECK(!failure.has_value(), failure->what());
      CHECK(report.trouble == Trouble::none, report.text);
    }
    return logits;
  }
};

// Every member holds about half of the experts, and each expert has a holder; others in every layer.
Holders randomHolders(Random& random, const ModelShape& shape, int32_t members) {
  Holders holders;
  for (int32_t id = 0; id < shape.moeLayers * shape.experts; ++id) {
    std::vector<int32_t>& of = holders.emplace_back();
    for (int32_t member = 0; member < members; ++member) {
      if (random.below(2) == 0) of.push_back(member);
    }
    if (of.empty()) of.push_back(random.below(members));
  }
  return holders;
}

// Two members that both have a slot in each row of both layers: expert e is on member e.
struct Pair {
  Pair()
      : random(35),
        model(randomModel(random, 2, 2, 2)),
        pack(model, random.bits()),
        sequence(randomSequence(random, model, 3, 0)) {}

  Random random;
  ModelDescription model;
  RandomPack pack;
  Sequence sequence;
  FakeRedis server;
  Node leader{server, model, pack, inEveryLayer({{0}, {1}}, 2), 0, 2};
  std::vector<float> logits = std::vector<float>(static_cast<size_t>(3 * model.vocab));

  std::future<Node::Outcome> start(const StepTimeout& timeout = generous) {
    return leader.start(batchOf({{&sequence, 0, 3}}), {7, timeout}, logits.data());
  }
  // What the other would answer in layer 0, by what the leader sends.
  FrameHeader answer() {
    const std::vector<std::string> sent = server.commands("XADD", 1)[0];
    return decodeFramePiece(sent[7], sent[9]);
  }
  void send(const FrameHeader& header, const std::string& body) { write(server, broadcastOf(1), header, body); }
};

std::string shown(const Node::Outcome& outcome) {
  const auto& [report, failure] = outcome;
  if (failure.has_value()) return failure->what();
  const std::map<Trouble, std::string> names{{Trouble::none, "none"},         {Trouble::late, "late"},
                                             {Trouble::routing, "routing"},   {Trouble::refused, "refused"},
                                             {Trouble::badFrame, "bad"},      {Trouble::failure, "failure"},
                                             {Trouble::noHolder, "no holder"}};
  std::string all = names.at(report.trouble);
  for (const int32_t culprit : report.culprits) all.append(1, ' ').append(std::to_string(culprit));
  return all + ": " + report.text;
}

}  // namespace

TEST("a group's logits have the bits of one session's, in steps of few rows and of many") {
  Random random(33);
  for (int trial = 0; trial < 12; ++trial) {
    const ModelDescription model = randomPackableModel(random);
    const RandomPack pack = packOfAnyFormats(model, random.bits());
    const int32_t members = random.between(1, 4), length = 60;
    const Sequence sequence = randomSequence(random, model, length, 0);
    ModelSession alone(model, limits, createCpuBackend(1, ""));
    pack.attachTo(alone);
    FakeRedis server;
    Group group(server, model, pack, randomHolders(random, model.shape(), members), members);
    uint32_t step = 0;
    for (int32_t from = 0; from < length;) {
      const int32_t to = std::min(length, from + random.of<int32_t>({1, 1, 2, 16, 17, 30}));
      const std::vector<Part> parts{{&sequence, from, to}};
      CHECK(equal(group.step(++step, parts), conclave::test::step(alone, parts)),
            "trial " + std::to_string(trial) + ", " + std::to_string(members) + " members, rows " +
                std::to_string(from) + " to " + std::to_string(to));
      from = to;
    }
  }
}

TEST("a group of more members than rows have owners agrees, too") {
  Random random(34);
  const ModelDescription model = randomModel(random, 2, 3, 3);
  const RandomPack pack(model, random.bits());
  const Sequence sequence = randomSequence(random, model, 17, 0);
  const int32_t members = 18;
  ModelSession alone(model, limits, createCpuBackend(1, ""));
  pack.attachTo(alone);
  FakeRedis server;
  Group group(server, model, pack, randomHolders(random, model.shape(), members), members);
  const std::vector<Part> parts{{&sequence, 0, 17}};
  CHECK(equal(group.step(1, parts), conclave::test::step(alone, parts)), "logits");
  // One of them owns no row: it has no sums to spread.
  int sums = 0;
  for (const auto& command : server.commands("XADD", server.count("XADD"))) {
    if (decodeFramePiece(command[7], command[9]).kind == FrameKind::sums) ++sums;
  }
  CHECK(sums == 17, std::to_string(sums) + " frames of sums");
}

TEST("a member of whom nothing comes in time is named") {
  Pair pair;
  CHECK(shown(pair.start({20, 1, 0}).get()) == "late 1: ", "late");
  Pair other;
  const Clock::time_point start = Clock::now();
  CHECK(shown(other.start({10, 2, 20}).get()) == "late 1: ", "late");
  CHECK(Clock::now() - start >= std::chrono::milliseconds(50), "it was waited for twice what is normal and the floor");
}

TEST("a frame that does not fit the layer is refused, with the reason") {
  struct Case {
    std::string expected;
    std::function<void(FrameHeader& header)> spoil;
  };
  const std::string three = "Sent 3 outputs where 3 were expected.";
  for (const auto& [expected, spoil] : std::vector<Case>{
           {"routing 1: 0", [](FrameHeader& header) { ++header.digest; }},
           {"refused 1: Sent 2 outputs where 3 were expected.", [](FrameHeader& header) { header.slots = 2; }},
           {"refused 1: " + three, [](FrameHeader& header) { ++header.rows; }},
           {"refused 1: " + three, [](FrameHeader& header) { ++header.width; }},
           {"failure 1: gone", [](FrameHeader& header) { header.kind = FrameKind::failure; }},
           {"bad 1: A frame has a wrong piece.", [](FrameHeader& header) { header.pieces = 2; }},
       }) {
    Pair pair;
    auto outcome = pair.start();
    FrameHeader header = pair.answer();
    spoil(header);
    const uint32_t bytesPerValue = header.dtype == FrameDtype::bf16 ? 2 : 4;
    header.bodyBytes = header.kind == FrameKind::failure ? 4 : header.slots * header.width * bytesPerValue;
    pair.send(header, header.kind == FrameKind::failure ? "gone" : std::string(header.bodyBytes, '\0'));
    const std::string told = shown(outcome.get());
    CHECK(told == expected, expected + " but was told " + told);
  }
}

TEST("what the others say of their work is in the report") {
  Pair pair;
  Node other(pair.server, pair.model, pair.pack, inEveryLayer({{0}, {1}}, 2), 1, 2);
  auto led = pair.start(), followed = other.start(batchOf({{&pair.sequence, 0, 3}}), {7, std::nullopt}, nullptr);
  const GroupStepReport leader = led.get().report, follower = followed.get().report;
  CHECK(leader.members[1].frames == 2 && leader.members[1].slots == 6, "two layers of three rows");
  CHECK(leader.waitsMs.size() == 2 && follower.waitsMs.size() == 1,
        "a follower has no member to wait for in the last layer");
  const int64_t bytes = 3 * pair.leader.session().activationBytes();
  CHECK(leader.framesSent == 1 && leader.bytesSent == bytes, "the leader's frame");
  CHECK(follower.framesSent == 2 && follower.bytesSent == 2 * bytes, "the follower's frames");
}

TEST("a member that leaves in the middle of a step is interrupted, and stays so") {
  Pair pair;
  auto outcome = pair.start({1e300, 1, 0});
  pair.server.commands("XREAD", 1);
  pair.leader.leave();
  for (int round = 0; round < 2; ++round) {
    const std::optional<Failure> failure = outcome.get().failure;
    CHECK(failure.has_value() && failure->code == FailureCode::interrupted, "interrupted");
    outcome = pair.start();
  }
  outcome.get();
}

TEST("an expert that is to be here and is not is a failure") {
  Pair pair;
  pair.leader.session().detachExperts(std::vector<int32_t>{0});
  const Node::Outcome outcome = pair.start().get();
  CHECK(outcome.failure.has_value() && outcome.failure->code == FailureCode::invalidArgument, shown(outcome));
}

TEST("a place in a group of another model or size is refused") {
  Pair pair;
  const auto refused = [&](const Holders& holders, size_t speeds, GroupMember::Place place) {
    try {
      DecentralizedMember(pair.model.shape(), place,
                          std::make_unique<ExpertAssigner>(inEveryLayer(holders, 2), std::vector<double>(speeds, 1), 2),
                          std::make_unique<FrameExchange>("member", epoch, streamsOf(pair.server, 0, 2)));
    } catch (const Failure& failure) {
      return failure.code == FailureCode::invalidArgument;
    }
    return false;
  };
  const Holders two{{0}, {1}};
  CHECK(!refused(two, 2, {1, 0, 2}), "the right one");
  for (const GroupMember::Place place : {GroupMember::Place{2, 0, 2}, {-1, 0, 2}, {0, 2, 2}, {0, -1, 2}, {0, 0, -1}}) {
    CHECK(refused(two, 2, place), "no such member");
  }
  CHECK(refused(two, 3, {1, 0, 2}), "more speeds than members");
  CHECK(refused({{0}}, 2, {1, 0, 2}), "fewer experts than the model");
  CHECK(refused({{0}, {1}, {1}}, 2, {1, 0, 2}), "more experts than the model");
}
