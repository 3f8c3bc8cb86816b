// Asking again and again: one request at a time, not while nobody looks, and less and less often while it fails.

import { ApiError } from "./api.js";
import { changes, preference } from "./preferences.js";

const LONGEST_S = 60;

/** Calls `work(signal)` now and then at the chosen interval, until it is stopped. */
export class Poll {
  /**
   * @param {function(AbortSignal): Promise} work What is done.
   * @param {function(ApiError|null)} tell Gets the error of each round, null for success.
   */
  constructor(work, tell) {
    this.work = work;
    this.tell = tell;
    this.failures = 0;
    this.abort = new AbortController();
    this.wake = () => document.hidden || this.now();
    this.rewind = () => this.plan();
    document.addEventListener("visibilitychange", this.wake);
    changes.addEventListener("change", this.rewind);
  }

  /** Ask at once; resolves when the answer has been shown. A round under way counts as this one's predecessor. */
  now() {
    clearTimeout(this.timer);
    this.wanted = true;
    this.running ??= this.rounds().finally(() => {
      this.running = null;
      this.plan();
    });
    return this.running;
  }

  stop() {
    clearTimeout(this.timer);
    this.abort.abort();
    document.removeEventListener("visibilitychange", this.wake);
    changes.removeEventListener("change", this.rewind);
  }

  async rounds() {
    while (this.wanted && !this.abort.signal.aborted) {
      this.wanted = false;
      try {
        await this.work(this.abort.signal);
        this.failures = 0;
        if (!this.abort.signal.aborted) this.tell(null);
      } catch (error) {
        if (this.abort.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        this.failures += 1;
        this.tell(error);
      }
    }
  }

  plan() {
    clearTimeout(this.timer);
    const interval = preference("interval");
    if (this.abort.signal.aborted || document.hidden || interval === 0 || this.running) return;
    const seconds = Math.min(LONGEST_S, interval * 2 ** Math.min(this.failures, 4));
    this.timer = setTimeout(() => this.now(), Math.max(interval, seconds) * 1000);
  }
}
