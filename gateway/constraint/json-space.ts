// White space in constrained JSON. Models write compact JSON, json.dumps' one space behind commas and colons, and indented
// lines; each place allows these and no more, so that white space cannot go on without end.
import { alternatives, type Expression, literal, NOTHING, type Rule, repeat, sequence } from './expression.ts';

const MOST_INDENT_SPACES = 40;
const MOST_INDENT_TABS = 10;

const SPACE: Rule = {
  name: 'space',
  expression: alternatives(
    NOTHING,
    literal(' '),
    sequence(literal('\n'), alternatives(upTo(' ', MOST_INDENT_SPACES), upTo('\t', MOST_INDENT_TABS))),
  ),
};

/** Between elements and behind opening brackets: nothing, one space, or a new line and its indentation. */
export const BETWEEN: Expression = { kind: 'rule', rule: SPACE };

/** Behind a colon: nothing or one space. */
export const AFTER_COLON: Expression = repeat(literal(' '), 0, 1);

function upTo(character: string, most: number): Expression {
  return most === 0 ? NOTHING : repeat(sequence(literal(character), upTo(character, most - 1)), 0, 1);
}
