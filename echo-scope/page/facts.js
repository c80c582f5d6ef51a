// The numbers of now, and what the server's numbers mean: the same notes as those of the terminal's view.

const facts = (() => {
  const { bytes, count, make, percent, rough, spoken, tell, time } = format;

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
    showNotes(view.notes);
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

  function showNotes(noted) {
    while (notes.children.length > noted.length) notes.lastChild.remove();
    while (notes.children.length < noted.length) notes.append(make('li', {}, make('b'), make('span')));
    noted.forEach(({ word, sentence }, index) => {
      tell(notes.children[index].firstChild, word);
      tell(notes.children[index].lastChild, ` ${sentence}`);
    });
  }

  return { show };
})();
