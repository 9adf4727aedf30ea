// An exclusive lock on an open file, held by its descriptor. The kernel releases it when the last copy of the
// descriptor is closed, also by the death of the process, so no lock outlives its owner.
#pragma once

namespace conclave {

/**
 * Locks the open file behind `descriptor`; false when another descriptor holds the lock. Never waits. Throws Failure io
 * with the system's reason, for instance on a filesystem without locks.
 */
bool tryLockFile(int descriptor);

}  // namespace conclave
