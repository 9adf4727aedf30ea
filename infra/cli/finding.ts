/** `warn` runs, but not as it should; `fail` does not run. */
export interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly detail: string;
}
