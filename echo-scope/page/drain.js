// The way out: a clock from the signal to drain_delay, then one to drain_timeout, and what is done by then.

const drain = (() => {
  const { sector } = circle;
  const { draw, make, plural, tell, time } = format;

  const section = document.getElementById('drain');
  const svg = section.querySelector('svg');
  const words = section.querySelector('.words');
  const list = section.querySelector('ol');

  const CENTRE = 80;
  const RING = [50, 72];

  const track = draw('path', { class: 'track', d: sector(...RING, 0, 1, CENTRE) });
  const passed = draw('path', { class: 'passed' });
  const clock = draw('text', { x: CENTRE, y: CENTRE + 2, class: 'large' });
  const limit = draw('text', { x: CENTRE, y: CENTRE + 22 });
  svg.append(track, passed, clock, limit);

  const ENDS = {
    drained: 'every connection was closed in order',
    deadline: 'the deadline passed, and what was left was aborted',
    forced: 'a second signal came, and what was left was aborted',
  };

  function show({ frame, row }) {
    const { delay, drain } = frame;
    section.classList.toggle('active', delay !== null || drain !== null);
    if (drain !== null) showClock(drain.us, drain.timeout_us);
    else if (delay !== null) showClock(delay.us, delay.delay_us);
    else showClock(null, 0);
    tell(words, sentence(delay, drain, row));
    showSteps(stepsOf(delay, drain));
  }

  function showClock(us, limitUs) {
    const part = us === null ? 0 : Math.min(1, limitUs > 0 ? us / limitUs : 1);
    passed.setAttribute('d', part > 0 ? sector(...RING, 0, part, CENTRE) : '');
    tell(clock, time(us));
    tell(limit, us === null ? '' : `of ${time(limitUs)}`);
  }

  function sentence(delay, drain, row) {
    if (drain === null && delay !== null) {
      return (
        `${delay.signal} came ${time(delay.us)} ago. The server goes on as before until drain_delay is over, ` +
        'so that nobody is sent to it when its listener closes.'
      );
    }
    if (drain === null) {
      return row?.link.state === 'gone'
        ? 'It went without a drain: it was killed, or its host or network is gone.'
        : 'No signal has come. SIGTERM begins the drain: what has arrived is answered, then the server leaves.';
    }
    if (drain.exit === null) return `${drain.signal} came ${time(drain.us)} ago, and the server drains.`;
    return `${drain.signal} came, and after ${time(drain.us)} the server left: ${ENDS[drain.exit] ?? drain.exit}.`;
  }

  function stepsOf(delay, drain) {
    if (drain === null) {
      return delay === null ? [] : [[true, `${delay.signal} received`], [false, 'drain_delay is over']];
    }
    const owing = plural(drain.owing, 'connection owes', 'connections owe');
    return [
      [true, `${drain.signal} received`],
      [drain.listener_is_closed, 'the listen queue is empty, and the listener closed'],
      [drain.owing === 0, drain.owing === 0 ? 'no connection owes a reply' : `${owing} a reply`],
      [drain.exit !== null, drain.exit === null ? 'the server leaves' : `the server has left: ${drain.exit}`],
    ];
  }

  function showSteps(steps) {
    while (list.children.length > steps.length) list.lastChild.remove();
    while (list.children.length < steps.length) list.append(make('li'));
    steps.forEach(([isDone, text], index) => {
      list.children[index].className = isDone ? 'done' : '';
      tell(list.children[index], `${isDone ? '✓' : '…'} ${text}`);
    });
  }

  return { show };
})();
