// Names of models on a hub: `owner/name`, or `owner/name@revision`. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';

export interface HubName {
  /** `owner/name` */
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const NAME = /^([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/;
/** What no owner, name or part of a revision may be: it would lead to another folder. */
const ONLY_DOTS = /(?:^|\/)\.+(?:\/|$)/;

/** Null for what is no name on a hub, for instance a path of more than two parts. */
export function parseHubName(text: string): HubName | null {
  const [, repository, revision = 'main'] = NAME.exec(text) ?? [];
  if (repository === undefined || ONLY_DOTS.test(repository) || ONLY_DOTS.test(revision)) return null;
  return { repository, revision };
}

/** As `parseHubName`. Throws DomainError `invalid_request`. */
export function requireHubName(text: string): HubName {
  const name = parseHubName(text);
  if (name !== null) return name;
  throw new DomainError(
    'invalid_request',
    `"${text}" is no name of a model on a hub: expected owner/name or owner/name@revision, such as Qwen/Qwen3-30B-A3B.`,
  );
}
