// The tools of a request -> the constraint of its answer: with it, arguments always are JSON, and fit their schema where it can be
// enforced.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Constraint } from '../../infra/messages/constraint.ts';
import { TenantCache } from '../../infra/tenants/tenant-cache.ts';
import { constrainAnswer } from '../answer-formats/constrain-answer.ts';
import { compileConstraint } from '../constraint/compile-constraint.ts';
import { ConstraintFault } from '../constraint/constraint-fault.ts';
import type { AnswerTraits } from '../parts.ts';
import type { RequestedTools } from './read-tools.ts';
import { faultsOf, type RequestedFormat } from './requested-format.ts';
import { type ArgumentsOf, fittingArguments, fittingIfStrict } from './tool-arguments.ts';

/** Constraints of a model's latest requests: an agent sends the same tools with every turn, and compiling takes milliseconds for each. */
const latest = new WeakMap<AnswerTraits, TenantCache<Constraint | null>>();
const MOST_LATEST = 32;

/**
 * Null if the answer is free. Schemas too large to be enforced together are not, except those of strict tools.
 * @throws DomainError `invalid_request` for parameters that are no schema, or cannot be enforced though the tool is strict
 */
export function constrainTools(
  requested: RequestedTools,
  traits: AnswerTraits,
  reasoningOpen: boolean,
  format: RequestedFormat | null,
  tenant: string,
): Constraint | null {
  const { tools, choice, parallel } = requested;
  if (format !== null || tools.length === 0) return compileTools(requested, traits, reasoningOpen, format);
  const declared = tools.map(({ name, parameters, strict }) => [name, parameters, strict]);
  const known = latest.get(traits) ?? new TenantCache<Constraint | null>(MOST_LATEST);
  latest.set(traits, known);
  const asked = [choice, parallel, reasoningOpen, declared];
  return known.find(tenant, asked, () => compileTools(requested, traits, reasoningOpen, null));
}

function compileTools(
  tools: RequestedTools,
  traits: AnswerTraits,
  reasoningOpen: boolean,
  format: RequestedFormat | null,
): Constraint | null {
  const compile = (argumentsOf: ArgumentsOf) => {
    const { choice, parallel } = tools;
    const content = format?.expression ?? null;
    const rules = { tools: callable(tools, argumentsOf), choice: choice.kind, parallel, reasoningOpen, content };
    const expression = constrainAnswer(rules, traits);
    return expression === null ? null : compileConstraint(expression);
  };
  if (format !== null && (tools.choice.kind === 'none' || tools.tools.length === 0)) {
    return faultsOf(format.path, () => compile(fittingArguments()));
  }
  try {
    return compile(fittingArguments());
  } catch (thrown) {
    if (!(thrown instanceof ConstraintFault)) throw thrown;
  }
  try {
    return compile(fittingIfStrict);
  } catch (thrown) {
    if (!(thrown instanceof ConstraintFault)) throw thrown;
    const message = `Invalid 'tools': they cannot be enforced together: ${thrown.message}.`;
    throw new DomainError('invalid_request', message, { param: 'tools' });
  }
}

function callable({ tools, choice, schemaPath }: RequestedTools, argumentsOf: ArgumentsOf) {
  if (choice.kind === 'none') return [];
  const allowed = new Set(choice.names);
  return tools.flatMap((tool, at) => {
    const { name, parameters } = tool;
    return allowed.has(name) ? [{ name, parameters, arguments: argumentsOf(tool, schemaPath(at)) }] : [];
  });
}
