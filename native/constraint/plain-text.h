// Plain characters: those that a JSON string holds as they are. Most tokens consist of them, and most states in which a
// string is open let all of them pass.
#pragma once
#include <cstdint>
#include <span>

#include "constraint-tables.h"

namespace conclave {

/** Number of characters when all are plain and whole; 0 otherwise. */
uint32_t plainLength(std::span<const uint8_t> bytes);

struct PlainRun {
  uint32_t length;  // up to the most that were looked for, or TokenVocabulary::endless
  bool ends;        // no plain character follows the run, whichever were in it
};

/** How many plain characters may follow a state by its rule's own edges, whichever they are. */
PlainRun plainRun(const ConstraintTables& tables, uint32_t state, uint32_t most);

/** Whether an edge of the state takes the first byte of a plain character. */
bool takesPlain(const ConstraintTables& tables, uint32_t state);

}  // namespace conclave
