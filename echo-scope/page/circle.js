// The first picture: the circle of the turn. Its arcs are as long as their time.

const circle = (() => {
  const { NAMES } = patterns;
  const { PHASES, count, draw, fill, make, percent, plural, rough, tell, time } = format;

  const section = document.getElementById('circle');
  const svg = section.querySelector('svg');
  const body = section.querySelector('tbody');
  const words = section.querySelector('.words');

  const CENTRE = 160;
  const OUTER = [128, 152];
  const INNER = [80, 120];

  const arcs = new Map();
  const outerTrack = ring(OUTER, 'track');
  const innerTrack = ring(INNER, 'track');
  const turnsText = draw('text', { x: CENTRE, y: CENTRE - 2, class: 'large' });
  svg.append(outerTrack, innerTrack);
  for (const name of NAMES) {
    const arc = draw('path', { class: 'arc', fill: `url(#phase-${name})` }, draw('title'));
    arcs.set(name, arc);
    svg.append(arc);
  }
  svg.append(turnsText, draw('text', { x: CENTRE, y: CENTRE + 22 }, 'turns a second'));

  function show({ frame, perSecond }) {
    const second = frame.last_second;
    tell(turnsText, rough(perSecond((tally) => tally.turns)));
    if (!second || second.us === 0) return;
    const awakeUs = PHASES.reduce((sum, phase) => sum + second.phases[phase], 0);
    const asleep = Math.min(1, second.asleep_us / second.us);
    place('asleep', OUTER, 0, asleep);
    place('awake', OUTER, asleep, 1 - asleep);
    let begin = 0;
    for (const phase of PHASES) {
      const share = awakeUs > 0 ? second.phases[phase] / awakeUs : 0;
      place(phase, INNER, begin, share);
      begin += share;
    }
    showNumbers(second, awakeUs, asleep);
  }

  function showNumbers(second, awakeUs, asleep) {
    const ofATurn = (us) => (second.turns > 0 ? time(us / second.turns) : '–');
    const rows = PHASES.map((phase) => [
      phase,
      ofATurn(second.phases[phase]),
      percent(awakeUs > 0 ? second.phases[phase] / awakeUs : 0),
    ]);
    fill(body, [['asleep', ofATurn(second.asleep_us), `${percent(asleep)} of all`], ...rows]);
    for (const row of body.rows) addSwatch(row.cells[0]);
    const { turn_us: turn, events } = second;
    tell(
      words,
      `Half of the turns took at most ${time(turn.median)}, and the longest ${time(turn.max)}. ` +
        `Half had at most ${plural(events.median, 'event', 'events')}, and none more than ${count(events.max)}.`,
    );
  }

  /** Colour and pattern before the name of a phase. */
  function addSwatch(cell) {
    if (cell.querySelector('svg')) return;
    const name = cell.textContent;
    cell.replaceChildren(swatch(name), make('span', {}, name));
  }

  function swatch(name) {
    const square = draw('rect', { width: 14, height: 14, rx: 2, fill: `url(#phase-${name})`, class: 'swatch' });
    return draw('svg', { viewBox: '0 0 14 14', width: 14, height: 14, 'aria-hidden': 'true' }, square);
  }

  function ring([inside, outside], name) {
    return draw('path', { class: name, d: sector(inside, outside, 0, 1) });
  }

  function place(name, [inside, outside], begin, share) {
    const arc = arcs.get(name);
    arc.setAttribute('d', share > 0 ? sector(inside, outside, begin, share) : '');
    tell(arc.firstChild, `${name}: ${percent(share)}`);
  }

  /** A part of a ring; both numbers are parts of a whole turn, from the top, clockwise. */
  function sector(inside, outside, begin, share, centre = CENTRE) {
    // An arc from a point to itself is nothing, so a whole ring has a gap that nobody sees.
    const end = begin + Math.min(share, 0.9999);
    const at = (radius, part) => {
      const angle = 2 * Math.PI * part;
      const x = centre + radius * Math.sin(angle);
      const y = centre - radius * Math.cos(angle);
      return `${x.toFixed(2)} ${y.toFixed(2)}`;
    };
    const large = end - begin > 0.5 ? 1 : 0;
    return (
      `M${at(outside, begin)}A${outside} ${outside} 0 ${large} 1 ${at(outside, end)}` +
      `L${at(inside, end)}A${inside} ${inside} 0 ${large} 0 ${at(inside, begin)}Z`
    );
  }

  return { show, swatch, sector };
})();
