// Which experts a node holds, as plans and reports tell it. What is held, placed and moved is one expert of one layer; its id is
// index * experts + expert, where index counts the layers that have experts. On the wire a set of ids is a bitmap in base64:
// 48 layers of 128 experts take a kilobyte. Pure.

/** Replaces ids by their wire form. ids: ascending. */
export function encodeHeld<T extends { readonly experts: readonly number[] }>(
  holder: T,
): Omit<T, 'experts'> & { readonly experts: string } {
  return { ...holder, experts: encodeExpertIds(holder.experts) };
}

/** Replaces the wire form by ids, ascending. */
export function decodeHeld<T extends { readonly experts: string }>(
  holder: T,
): Omit<T, 'experts'> & { readonly experts: readonly number[] } {
  return { ...holder, experts: decodeExpertIds(holder.experts) };
}

/** Bit id % 8 of byte id / 8 stands for an id. */
export function encodeExpertIds(ids: readonly number[]): string {
  const bitmap = new Uint8Array(ids.reduce((bytes, id) => Math.max(bytes, (id >> 3) + 1), 0));
  for (const id of ids) bitmap[id >> 3] = (bitmap[id >> 3] ?? 0) | (1 << (id & 7));
  return Buffer.from(bitmap).toString('base64');
}

export function decodeExpertIds(text: string): readonly number[] {
  const ids: number[] = [];
  for (const [at, byte] of Buffer.from(text, 'base64').entries()) {
    for (let bits = byte; bits !== 0; bits &= bits - 1) ids.push(8 * at + 31 - Math.clz32(bits & -bits));
  }
  return ids;
}
