// The page: gets the state of all servers, and hands it to the pictures.
//
// Reading order: this file; `circle.js`, `strip.js`, `states.js` and `follow.js`, the four pictures;
// `drain.js`, `servers.js`, `facts.js` and `counters.js`, what is around them; `format.js` and `patterns.js`,
// what they need.
//
// Each file has one function `show(view)`. A view is:
//   servers, names: the rows of all servers, the names of the setting
//   row: the row of the server that is shown
//   frame: its last frame, as docs/status.md describes it
//   turns: its last turns, oldest first, 256 at most
//   notes: what to notice of its last second, each a word and a sentence
//   perSecond(pick): how much a counter grows in a second; null if that is not known yet

(() => {
  const { tell } = format;

  const TURNS_MAX = 256;
  /** Who does not want motion gets a new picture once a second. */
  const QUIET_PACE_MS = 1000;

  const pauseButton = document.getElementById('pause');
  const quiet = window.matchMedia('(prefers-reduced-motion: reduce)');
  const dark = window.matchMedia('(prefers-color-scheme: dark)');

  let source = null;
  let chosen = null;
  let view = null;
  let isPaused = false;
  let shownAt = 0;

  // What comes from the server.

  function open() {
    close();
    source = new EventSource(chosen === null ? '/events' : `/events/${chosen}`);
    source.addEventListener('state', (event) => take(JSON.parse(event.data)));
    source.addEventListener('error', lost);
  }

  function close() {
    source?.close();
    source = null;
  }

  /** A browser tries again by itself, unless the answer was no stream: the chosen server is known no more. */
  function lost() {
    servers.scopeIsLost();
    if (source?.readyState === EventSource.CLOSED) {
      chosen = null;
      source = null;
      setTimeout(() => source ?? open(), 1000);
    }
  }

  function take(message) {
    const { shown } = message;
    const isSame = view !== null && shown !== null && view.id === shown.id && view.life === shown.life;
    const turns = isSame ? view.turns : [];
    // After a new connection to this program, turns come again.
    const last = turns.at(-1)?.number ?? 0;
    view = {
      servers: message.servers,
      names: message.names,
      id: shown?.id ?? null,
      life: shown?.life ?? 0,
      row: message.servers.find((row) => row.id === shown?.id) ?? null,
      frame: shown?.frame ?? null,
      turns: turns.concat(shown?.turns.filter(({ number }) => number > last) ?? []).slice(-TURNS_MAX),
      notes: shown?.notes ?? [],
      perSecond: rates(shown),
    };
    if (!isPaused && (!quiet.matches || performance.now() - shownAt >= QUIET_PACE_MS)) show();
  }

  function rates(shown) {
    return (pick) => {
      if (!shown?.before) return null;
      const grown = pick(shown.frame.tally) - pick(shown.before.tally);
      return (grown * 1e6) / shown.before.span_us;
    };
  }

  // What is shown.

  function show() {
    shownAt = performance.now();
    servers.show(view);
    document.body.classList.toggle('stale', view.row?.link.state !== 'watching');
    if (view.frame === null) return;
    for (const picture of [facts, circle, states, strip, drain, counters]) picture.show(view);
  }

  function pause(is) {
    isPaused = is;
    pauseButton.setAttribute('aria-pressed', String(is));
    tell(pauseButton, is ? 'Go on' : 'Pause');
    if (!is && view !== null) show();
  }

  function choose(id) {
    chosen = id;
    pause(false);
    open();
  }

  pauseButton.addEventListener('click', () => pause(!isPaused));
  servers.onChoice(choose);
  strip.onChoice(() => pause(true));
  follow.serverIs(() => view?.id ?? null);
  dark.addEventListener('change', () => view?.frame && strip.redraw());
  window.addEventListener('resize', () => view?.frame && strip.redraw());
  // A page that nobody sees needs no events, and a browser has few connections to one host.
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  if (!document.hidden) open();
})();
