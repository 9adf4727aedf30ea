// Ends a text at the first stop string. Text arrives in pieces; what may still become a stop string is held back, nothing
// else is. One Knuth-Morris-Pratt automaton per stop string, so the cost is linear and the result does not depend on how the
// text is cut: pushing all text again in one piece rebuilds the state.

/** What a piece of text leads to. */
export interface StopResult {
  /** Text that may be shown now. */
  readonly text: string;
  /** The stop string that ended the text, null while it goes on. */
  readonly stop: string | null;
}

interface StopAutomaton {
  readonly stop: string;
  /** failure[n]: length of the longest proper prefix of the stop string that ends its first n characters. */
  readonly failure: readonly number[];
  /** Characters of the stop string that the text ends with. */
  matched: number;
}

/** Looks for stop strings in the text of one choice. */
export class StopStringMatcher {
  readonly #automata: readonly StopAutomaton[];
  #held = '';

  /** `stops`: none of them empty. */
  constructor(stops: readonly string[]) {
    if (stops.includes('')) throw new TypeError('A stop string must not be empty');
    this.#automata = stops.map((stop) => ({ stop, failure: failureTable(stop), matched: 0 }));
  }

  /** Adds text. The stop string that is complete first ends it; of two complete at once the longer does. */
  push(text: string): StopResult {
    const buffer = this.#held + text;
    for (let at = this.#held.length; at < buffer.length; at += 1) {
      const stop = this.#advance(buffer.charAt(at));
      if (stop === null) continue;
      this.#held = '';
      return { text: buffer.slice(0, at + 1 - stop.length), stop };
    }
    const open = Math.max(0, ...this.#automata.map((automaton) => automaton.matched));
    this.#held = buffer.slice(buffer.length - open);
    return { text: buffer.slice(0, buffer.length - open), stop: null };
  }

  /** Ends the text without a stop string: returns what was held back. */
  finish(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  #advance(character: string): string | null {
    let longest: string | null = null;
    for (const automaton of this.#automata) {
      automaton.matched = nextMatch(automaton.stop, automaton.failure, automaton.matched, character);
      const complete = automaton.matched === automaton.stop.length;
      if (complete && automaton.stop.length > (longest?.length ?? 0)) longest = automaton.stop;
    }
    return longest;
  }
}

function nextMatch(stop: string, failure: readonly number[], matched: number, character: string): number {
  let length = matched;
  while (length > 0 && stop.charAt(length) !== character) length = failure[length] ?? 0;
  return stop.charAt(length) === character ? length + 1 : 0;
}

function failureTable(stop: string): number[] {
  const failure = [0, 0];
  for (let end = 1; end < stop.length; end += 1) {
    failure.push(nextMatch(stop, failure, failure[end] ?? 0, stop.charAt(end)));
  }
  return failure;
}
