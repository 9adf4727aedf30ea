// What is wrong with a schema, and where.
import { ConstraintFault } from '../constraint-fault.ts';
import { PatternFault } from '../pattern-syntax.ts';

/** `path`: of the (sub)schema, or of the keyword at fault. The message is the end of a sentence. */
export class SchemaFault extends ConstraintFault {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** It is no schema at all, rather than one that cannot be enforced. */
export class MalformedSchema extends SchemaFault {}

/** Runs what may throw a PatternFault. @throws SchemaFault instead, at a keyword */
export function atKeyword<T>(path: string, build: () => T): T {
  try {
    return build();
  } catch (thrown) {
    if (thrown instanceof PatternFault || (thrown instanceof ConstraintFault && !(thrown instanceof SchemaFault))) {
      throw new SchemaFault(path, thrown.message);
    }
    throw thrown;
  }
}

/** The path of something inside. */
export function within(path: string, ...steps: readonly (string | number)[]): string {
  return steps.reduce<string>(
    (at, step) => (typeof step === 'number' ? `${at}[${step}]` : `${at}${at === '' ? '' : '.'}${step.slice(0, 64)}`),
    path,
  );
}
