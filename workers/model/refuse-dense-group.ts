// A dense model has no experts, so there is nothing to distribute over the nodes of a group. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { expertShape } from '../../native/model-description.ts';
import type { ModelOutline } from './section-shapes.ts';

/** Throws DomainError `bad_config` for a dense model on more than one node. */
export function refuseDenseGroup(model: ModelOutline, nodes: number): void {
  if (nodes === 1 || expertShape(model).experts > 0) return;
  const message = `A ${model.family} model is dense: it has no experts to distribute over ${nodes} nodes. Use one node.`;
  throw new DomainError('bad_config', message, { param: 'nodes' });
}
