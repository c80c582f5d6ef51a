// The fourth picture: one connection, step by step. A row is a step, and a column is a lane.

const follow = (() => {
  const { count, make, plural, spoken, tell, time } = format;

  const section = document.getElementById('follow');
  const button = section.querySelector('button');
  const state = section.querySelector('.state');
  const lanes = section.querySelector('.lanes');
  const body = section.querySelector('tbody');

  const ROWS_MAX = 300;
  const LANES = ['kernel', 'event', 'read', 'send'];
  const TITLES = { kernel: 'kernel’s buffers', event: 'event', read: 'read', send: 'send' };

  let source = null;
  let server = () => null;
  let left = 0;

  /** `callback` gives the id of the server that is shown. */
  function serverIs(callback) {
    server = callback;
  }

  button.addEventListener('click', () => (source === null ? begin() : end('Nothing is followed any more.')));

  function begin() {
    const id = server();
    if (id === null) {
      tell(state, 'There is no server to follow a connection of.');
      return;
    }
    body.replaceChildren();
    left = 0;
    tell(button, 'Stop following');
    tell(state, 'Asking the server …');
    source = new EventSource(`/follow/${id}`);
    source.addEventListener('step', (event) => take(JSON.parse(event.data)));
    source.addEventListener('problem', (event) => end(`The server does not tell: ${event.data}.`));
    source.addEventListener('error', () => end('echo-scope does not answer, or follows too many connections already.'));
  }

  function end(text) {
    source?.close();
    source = null;
    tell(button, 'Follow the next connection');
    tell(state, text);
  }

  function take(line) {
    const [name, step] = typeof line.step === 'string' ? [line.step, {}] : Object.entries(line.step)[0];
    if (name === 'waiting') {
      tell(state, 'Waiting for a connection …');
      return;
    }
    add(line, name, step);
    if (name === 'accepted') tell(state, `Following the connection of ${step.peer}.`);
    if (name === 'closed') end(`Closed: ${step.reason}, after ${plural(step.messages, 'message', 'messages')}.`);
  }

  function add(line, name, step) {
    const isAtEnd = lanes.scrollTop + lanes.clientHeight >= lanes.scrollHeight - 4;
    body.append(rowOf(line, name, step));
    if (body.rows.length > ROWS_MAX) {
      body.rows[0].remove();
      left += 1;
      tell(state, `Following; the first ${plural(left, 'step is', 'steps are')} not shown any more.`);
    }
    if (isAtEnd) lanes.scrollTop = lanes.scrollHeight;
  }

  function rowOf(line, name, step) {
    const title = `turn ${count(line.turn)}`;
    const when = make('th', { scope: 'row', role: 'rowheader', title }, exactTime(line.us));
    return make('tr', { class: name, role: 'row' }, when, ...cellsOf(name, step));
  }

  function cellsOf(name, step) {
    const whole = wholeRow(name, step);
    if (whole !== null) return [make('td', { role: 'cell', colspan: LANES.length }, whole)];
    const marks = marksOf(name, step);
    return LANES.map((lane) => {
      const cell = make('td', { class: lane, role: 'cell', 'data-title': TITLES[lane] });
      if (lane in marks) cell.append(mark(marks[lane]));
      return cell;
    });
  }

  /** To the microsecond: steps follow each other closely. */
  function exactTime(us) {
    if (us < 1000) return `${us} µs`;
    return us < 1e6 ? `${(us / 1000).toFixed(3)} ms` : `${(us / 1e6).toFixed(6)} s`;
  }

  function mark([text, kind = '']) {
    return make('span', { class: `mark ${kind}` }, text);
  }

  /** What concerns no single lane. */
  function wholeRow(name, step) {
    switch (name) {
      case 'moved':
        return `${spoken(step.from)} → ${spoken(step.to)}`;
      case 'out_of_budget':
        return 'out of budget: the next turn goes on, without an event';
      case 'silence':
        return `silence for ${time(step.us)}`;
      case 'lost':
        return `${plural(step.steps, 'step was', 'steps were')} left out: this reader was too slow`;
      case 'closed':
        return `closed: ${step.reason}`;
      default:
        return null;
    }
  }

  /** What a step shows in which lane. What the kernel holds is not told: it follows from the answers to calls. */
  function marksOf(name, step) {
    switch (name) {
      case 'accepted':
        return { kernel: [`a connection of ${step.peer}`], event: ['accepted'] };
      case 'watched':
        return { event: ['the poll watches it'] };
      case 'event':
        if (!step.readable) return { kernel: ['output: room'], event: ['writable'] };
        return {
          kernel: ['input: to read', 'full'],
          event: [step.read_on ? 'readable, and the end is near' : 'readable'],
        };
      case 'call':
        return marksOfCall(step);
      default:
        return { event: [spoken(name)] };
    }
  }

  function marksOfCall({ name, asked, got, error }) {
    const result = got === null ? `${name}: ${error}` : `${name}: ${count(got)} of ${count(asked)}`;
    if (name === 'recv') {
      if (got === null) return { kernel: [error === 'EAGAIN' ? 'input: empty' : 'broken'], read: [result, 'short'] };
      if (got === 0) return { kernel: ['input: the peer’s end'], read: [`${name}: the end`, 'short'] };
      if (got < asked) return { kernel: ['input: empty'], read: [result] };
      return { kernel: ['input: maybe more', 'full'], read: [result] };
    }
    if (name === 'send') {
      if (got === asked) return { kernel: ['output: took all'], send: [result] };
      return { kernel: ['output: full', 'full'], send: [result, 'short'] };
    }
    return { send: [got === null && error !== null ? result : name] };
  }

  return { serverIs };
})();
