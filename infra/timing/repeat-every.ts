// Runs a task periodically with a pause between runs. Runs never overlap, and none starts after stop().

export interface Repeating {
  /** Prevents further runs; resolves when the run in progress has ended. */
  stop(): Promise<void>;
}

/** Runs `task` after every `pauseMs`. A rejection is passed to `onProblem` and does not stop the repetition. */
export function repeatEvery(
  pauseMs: number,
  task: () => Promise<void>,
  onProblem: (problem: unknown) => void,
): Repeating {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const schedule = (): void => {
    if (stopped) return;
    timer = setTimeout(() => {
      running = task().catch(onProblem).finally(schedule);
    }, pauseMs);
  };
  schedule();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return running;
    },
  };
}
