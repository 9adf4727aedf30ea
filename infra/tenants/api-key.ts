// The text of an API key, `cvk_<prefix>_<secret>`, and its keyed hash. Pure but for the random bytes it is given.
// Only prefix and hash may be stored: a copy of the database without the pepper file neither holds nor verifies a key.
import { createHmac, timingSafeEqual } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const PREFIX_LENGTH = 12;
/** 43 characters of this alphabet are 252 bits. */
const SECRET_LENGTH = 43;
const SHAPE = /^cvk_([0-9A-Za-z]{12})_[0-9A-Za-z]{43}$/;

/** A key as its owner sees it, once. */
export interface NewApiKey {
  /** Public: finds the record, may be shown and logged. */
  readonly prefix: string;
  readonly text: string;
}

/** Makes a key from `random(n)`, which returns n unpredictable bytes. */
export function makeApiKey(random: (size: number) => Uint8Array): NewApiKey {
  const prefix = randomText(PREFIX_LENGTH, random);
  return { prefix, text: `cvk_${prefix}_${randomText(SECRET_LENGTH, random)}` };
}

/** The prefix of something shaped like an API key, else undefined. */
export function apiKeyPrefix(text: string): string | undefined {
  return SHAPE.exec(text)?.[1];
}

/** HMAC-SHA-256 of the whole key under the pepper, 32 bytes. The secret is random, so a slow hash would add nothing. */
export function hashApiKey(pepper: Uint8Array, text: string): Buffer {
  return createHmac('sha256', pepper).update(text).digest();
}

/** Compares in constant time; hashes are always 32 bytes. */
export function hashesMatch(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Bytes past the last multiple of the alphabet's size are dropped, so that every character is equally likely. */
function randomText(length: number, random: (size: number) => Uint8Array): string {
  const limit = 256 - (256 % ALPHABET.length);
  let text = '';
  while (text.length < length) {
    for (const byte of random(length)) {
      if (byte < limit && text.length < length) text += ALPHABET[byte % ALPHABET.length];
    }
  }
  return text;
}
