// Parsers of command-line options. In: text. Out: a value, or commander's InvalidArgumentError with the expected format.
import { InvalidArgumentError } from 'commander';

/** A whole number from 1 up. */
export function parsePositiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected a whole number of at least 1.');
  return value;
}

/** A whole number from 0 up. */
export function parseNonNegativeInteger(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError('Expected a whole number of at least 0.');
  }
  return value;
}

/** A sampling temperature: 0 up to 2. */
export function parseTemperature(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 2)) {
    throw new InvalidArgumentError('Expected a number from 0 to 2.');
  }
  return value;
}
