// How the text of an answer is read: which part of it is reasoning, which are calls. Stored with the request, because a stream may be
// resumed at a gateway that never saw the request's body.

export interface AnswerReading {
  /** Names of formats in gateway/answer-formats; null where the model does not write such parts. */
  readonly reasoning: string | null;
  readonly calls: string | null;
  /** The prompt ends inside the reasoning. */
  readonly reasoningOpen: boolean;
  /** By the name of each tool, the names of its parameters whose values are text. */
  readonly textParameters: Readonly<Record<string, readonly string[]>>;
  /** The client declared `functions`, the older form of tools, and expects their form of calls. */
  readonly legacyFunctions: boolean;
}
