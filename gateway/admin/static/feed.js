// The stream of the gateway: keeps one connection up while the page is seen, and says when there is none.
//
// Rules: silence for SILENCE counts as a broken connection, because a stream that is alive says something every
// second. What is shown stays until the next snapshot is here in full.

const SILENCE = 9000;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 15000;

export class Feed {
  constructor({ onRows, onStatus, onLink }) {
    this.onRows = onRows;
    this.onStatus = onStatus;
    this.onLink = onLink;
    this.pause = FIRST_PAUSE;
    this.incoming = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
  }

  open() {
    if (this.source) return;
    clearTimeout(this.retry);
    const source = (this.source = new EventSource("operations/events"));
    this.listen(source, "reset", (said) => {
      this.incoming = new Map();
      this.pause = FIRST_PAUSE;
      this.onLink("live");
      this.onStatus(said.status);
    });
    this.listen(source, "rows", (said) => this.take(said));
    this.listen(source, "status", (said) => this.onStatus(said));
    source.onerror = () => this.broken();
    this.heard();
  }

  close() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.watchdog);
    clearTimeout(this.retry);
  }

  listen(source, name, act) {
    source.addEventListener(name, (event) => {
      this.heard();
      act(JSON.parse(event.data));
    });
  }

  heard() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.broken(), SILENCE);
  }

  broken() {
    this.close();
    this.onLink("lost");
    this.retry = setTimeout(() => this.open(), this.pause * (0.8 + 0.4 * Math.random()));
    this.pause = Math.min(this.pause * 1.7, LONGEST_PAUSE);
  }

  take({ now, rows, gone, left }) {
    const skew = Date.parse(now) - Date.now();
    if (this.incoming) {
      for (const row of rows) this.incoming.set(row.id, row);
      if (left > 0) return;
      this.onRows({ all: this.incoming, skew });
      this.incoming = null;
      return;
    }
    this.onRows({ rows, gone, skew });
  }
}
