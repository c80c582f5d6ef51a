// The numbers of now, and what to notice about them.

const facts = (() => {
  const { bytes, count, make, percent, plural, rough, spoken, tell, time } = format;

  /** More events in one turn than this is worth a word. */
  const MANY_EVENTS = 8;

  const list = document.getElementById('facts');
  const notes = document.getElementById('notes');

  function show(view) {
    const { frame, perSecond } = view;
    const measured = frame.last_second;
    const turns = perSecond((tally) => tally.turns);
    const eventsATurn = turns ? perSecond((tally) => sum(tally.events)) / turns : null;
    const input = bytes(perSecond((tally) => tally.bytes_in));
    const output = bytes(perSecond((tally) => tally.bytes_out));
    showFacts([
      ['Phase', spoken(frame.phase)],
      ['Up', time(frame.uptime_us)],
      ['Open', `${count(frame.open.total)} of ${count(frame.server.connections_max)}`],
      ['Messages a second', rough(perSecond((tally) => tally.messages))],
      ['Turns a second', rough(turns)],
      ['Events a turn', rough(eventsATurn)],
      ['Asleep', measured ? percent(measured.asleep_us / measured.us) : '–'],
      ['Longest turn', measured ? time(measured.turn_us.max) : '–'],
      ['In a second', `${input} in, ${output} out`],
      ['Accepting', spoken(frame.accepting)],
    ]);
    showNotes(noticed(frame, perSecond, eventsATurn));
  }

  function sum(counters) {
    return Object.values(counters).reduce((all, one) => all + one, 0);
  }

  function showFacts(facts) {
    while (list.children.length < facts.length) list.append(make('div', {}, make('dt'), make('dd')));
    facts.forEach(([name, value], index) => {
      tell(list.children[index].firstChild, name);
      tell(list.children[index].lastChild, value);
    });
  }

  function showNotes(texts) {
    while (notes.children.length > texts.length) notes.lastChild.remove();
    while (notes.children.length < texts.length) notes.append(make('li'));
    texts.forEach((text, index) => tell(notes.children[index], text));
  }

  /** What a beginner would not see: each is a sentence. */
  function noticed(frame, perSecond, eventsATurn) {
    const { open, accepting } = frame;
    const budgets = perSecond((tally) => sum(tally.budgets));
    const stale = perSecond((tally) => tally.events.stale);
    const lostLines = perSecond((tally) => tally.log.dropped);
    return [
      open.flushing > 0 &&
        `${plural(open.flushing, 'connection waits', 'connections wait')} for the peer to read ` +
          `(${bytes(open.waiting_bytes)}): nothing is read from them meanwhile. That is the back-pressure.`,
      open.lingering > 0 &&
        `${plural(open.lingering, 'connection lingers', 'connections linger')}: the output is ended, and input is ` +
          'thrown away until the peer ends too, so that no reset destroys the reply.',
      eventsATurn > MANY_EVENTS &&
        `One epoll_wait brings ${rough(eventsATurn)} events: under load a turn serves many, ` +
          'and a message costs fewer calls.',
      budgets > 0 && 'A budget ran out in the last second: the rest came first in the next turn, which did not sleep.',
      accepting === 'full' && 'All connections_max connections are open: newcomers wait in the kernel’s queue.',
      accepting === 'exhausted' && 'The kernel has no descriptors or memory for one more connection: accepting pauses.',
      stale > 0 && 'Events came for connections that were gone: readiness is a hint.',
      lostLines > 0 && 'Lines of the log are dropped, because its reader is too slow. The loop does not wait for it.',
    ].filter(Boolean);
  }

  return { show };
})();
