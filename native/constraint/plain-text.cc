#include "plain-text.h"

#include <algorithm>
#include <vector>

#include "token-vocabulary.h"

namespace conclave {
namespace {

struct ByteRange {
  uint8_t first, last;
};

// Well-formed UTF-8 of plain characters: the Unicode standard's table 3-7, without quotes, backslashes and controls.
struct Form {
  int length;
  ByteRange bytes[4];
};
constexpr Form forms[] = {
    {1, {{0x20, 0x21}}},
    {1, {{0x23, 0x5b}}},
    {1, {{0x5d, 0x7f}}},
    {2, {{0xc2, 0xdf}, {0x80, 0xbf}}},
    {3, {{0xe0, 0xe0}, {0xa0, 0xbf}, {0x80, 0xbf}}},
    {3, {{0xe1, 0xec}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {3, {{0xed, 0xed}, {0x80, 0x9f}, {0x80, 0xbf}}},
    {3, {{0xee, 0xef}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf0, 0xf0}, {0x90, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf1, 0xf3}, {0x80, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf4, 0xf4}, {0x80, 0x8f}, {0x80, 0xbf}, {0x80, 0xbf}}},
};

bool contains(ByteRange range, uint8_t byte) { return byte >= range.first && byte <= range.last; }

using States = std::vector<uint32_t>;

void sortOut(States& states) {
  std::sort(states.begin(), states.end());
  states.erase(std::unique(states.begin(), states.end()), states.end());
}

// Where the bytes of a range lead from all of `from`; false when one of them leads nowhere.
bool advance(const ConstraintTables& tables, const States& from, ByteRange range, States& to) {
  for (const uint32_t state : from) {
    int covered = range.first;
    for (const auto& [first, last, target] : tables.edges(state)) {
      if (last < range.first || first > range.last) continue;
      if (first > covered) return false;
      to.push_back(target);
      covered = last + 1;
    }
    if (covered <= range.last) return false;
  }
  sortOut(to);
  return true;
}

// Where plain characters lead from all of `from`; false when one of them leads nowhere.
bool advancePlain(const ConstraintTables& tables, const States& from, States& to) {
  for (const Form& form : forms) {
    States at = from;
    for (int byte = 0; byte < form.length; ++byte) {
      States next;
      if (!advance(tables, at, form.bytes[byte], next)) return false;
      at = std::move(next);
    }
    to.insert(to.end(), at.begin(), at.end());
  }
  sortOut(to);
  return true;
}

}  // namespace

uint32_t plainLength(std::span<const uint8_t> bytes) {
  uint32_t characters = 0;
  for (size_t at = 0; at < bytes.size(); ++characters) {
    const auto form = std::find_if(std::begin(forms), std::end(forms), [&](const Form& each) {
      if (at + static_cast<size_t>(each.length) > bytes.size()) return false;
      for (int byte = 0; byte < each.length; ++byte) {
        if (!contains(each.bytes[byte], bytes[at + static_cast<size_t>(byte)])) return false;
      }
      return true;
    });
    if (form == std::end(forms)) return 0;
    at += static_cast<size_t>(form->length);
  }
  return characters;
}

bool takesPlain(const ConstraintTables& tables, uint32_t state) {
  const auto edges = tables.edges(state);
  return std::any_of(edges.begin(), edges.end(), [](const auto& edge) {
    return std::any_of(std::begin(forms), std::end(forms), [&](const Form& form) {
      return edge.first <= form.bytes[0].last && edge.last >= form.bytes[0].first;
    });
  });
}

PlainRun plainRun(const ConstraintTables& tables, uint32_t state, uint32_t most) {
  // More states than this are not worth the search.
  constexpr size_t mostStates = 64;
  States at = {state};
  for (uint32_t run = 0; run < most; ++run) {
    States next;
    if (!advancePlain(tables, at, next) || next.size() > mostStates) {
      const bool goesOn = std::any_of(at.begin(), at.end(), [&](uint32_t each) { return takesPlain(tables, each); });
      return {run, !goesOn};
    }
    if (next == at) return {TokenVocabulary::endless, false};
    at = std::move(next);
  }
  return {most, false};
}

}  // namespace conclave
