// A JSON Schema (draft 2020-12) -> an expression of a constraint: what it matches is JSON that fits. Property order is the
// schema's; white space is json-space.ts's; what cannot be decided is refused by keyword and path.
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { alternatives, type Expression, literal, type Rule } from '../expression.ts';
import { arrayExpression } from './array-expression.ts';
import { literalExpression } from './literal-expression.ts';
import { numberAutomaton, numberKey } from './number-text.ts';
import { objectExpression } from './object-expression.ts';
import { atKeyword, MalformedSchema, SchemaFault } from './schema-fault.ts';
import { SchemaShapes } from './schema-shapes.ts';
import { type Conjunction, conjunctionKey, type Shape } from './shapes.ts';
import { stringExpression, stringKey } from './string-text.ts';

const MOST_RULES = 5_000;

/**
 * JSON text of values that a schema allows. `path`: of the schema in the request's body, for messages.
 * @throws DomainError `invalid_request` naming keyword and path
 */
export function jsonSchema(schema: unknown, path: string): Expression {
  try {
    return new SchemaCompiler(schema, path).compile();
  } catch (thrown) {
    if (!(thrown instanceof SchemaFault)) throw thrown;
    throw refusal(thrown);
  }
}

/**
 * As jsonSchema; `otherwise` where the schema cannot be enforced.
 * @throws DomainError `invalid_request` for what is no schema
 */
export function jsonSchemaIfPossible(schema: unknown, path: string, otherwise: () => Expression): Expression {
  try {
    return new SchemaCompiler(schema, path).compile();
  } catch (thrown) {
    if (thrown instanceof MalformedSchema) throw refusal(thrown);
    if (thrown instanceof SchemaFault) return otherwise();
    throw thrown;
  }
}

function refusal({ path, message }: SchemaFault): DomainError {
  return new DomainError('invalid_request', `Invalid '${path}': ${message}.`, { param: path });
}

/** JSON text of any value. */
export function jsonValue(): Expression {
  return jsonSchema(true, '');
}

/** JSON text of any object. */
export function jsonObject(): Expression {
  return jsonSchema({ type: 'object' }, '');
}

class SchemaCompiler {
  readonly #shapes: SchemaShapes;
  readonly #rules = new Map<string, Rule>();
  /** Conjunctions whose rules are not made yet: a list instead of recursion, however deep a schema is. */
  readonly #waiting: { readonly rule: Rule; readonly conjunction: Conjunction }[] = [];
  /** Rules of simple values by what they match. */
  readonly #simple = new Map<string, Rule>();
  readonly #path: string;

  constructor(schema: unknown, path: string) {
    this.#path = path;
    this.#shapes = new SchemaShapes(schema, path);
  }

  compile(): Expression {
    const root = this.#valueOf([this.#shapes.document.root]);
    for (let next = this.#waiting.pop(); next !== undefined; next = this.#waiting.pop()) {
      next.rule.expression = alternatives(
        ...this.#shapes.shapesOf(next.conjunction).map((shape) => this.#expressionOf(shape)),
      );
    }
    return root;
  }

  readonly #valueOf = (conjunction: Conjunction): Expression => {
    const key = conjunctionKey(conjunction);
    let rule = this.#rules.get(key);
    if (rule === undefined) {
      if (this.#rules.size >= MOST_RULES)
        throw new SchemaFault(this.#path, `the schema has more than ${MOST_RULES} parts`);
      rule = { name: key, expression: null };
      this.#rules.set(key, rule);
      this.#waiting.push({ rule, conjunction });
    }
    return { kind: 'rule', rule };
  };

  #expressionOf(shape: Shape): Expression {
    switch (shape.kind) {
      case 'literal':
        return literalExpression(shape.value);
      case 'null':
        return literal('null');
      case 'boolean':
        return alternatives(literal('true'), literal('false'));
      case 'number':
        return this.#shared(`number ${numberKey(shape)}`, () => ({
          kind: 'text',
          automaton: atKeyword(shape.path, () => numberAutomaton(shape)),
          encoding: 'plain',
        }));
      case 'string':
        return this.#shared(stringKey(shape), () => stringExpression(shape));
      case 'array':
        return arrayExpression(shape, this.#valueOf);
      case 'object':
        return objectExpression(shape, this.#valueOf);
    }
  }

  #shared(key: string, build: () => Expression): Expression {
    let rule = this.#simple.get(key);
    if (rule === undefined) {
      rule = { name: key, expression: build() };
      this.#simple.set(key, rule);
    }
    return { kind: 'rule', rule };
  }
}
