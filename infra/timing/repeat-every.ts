// Runs a task again and again with a pause between two runs: never twice at the same time, never after stop.

export interface Repeating {
  /** No run starts after this call; settles when the one in progress has ended. */
  stop(): Promise<void>;
}

/** Runs `task` after each `pauseMs`. What it throws goes to `onProblem`, and the next run comes all the same. */
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
