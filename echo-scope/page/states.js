// The third picture: the states of a connection, and the moves between them.

const states = (() => {
  const { bytes, count, draw, fill, plural, rough, spoken, tell } = format;

  const section = document.getElementById('states');
  const svg = section.querySelector('svg');
  const words = section.querySelector('.words');
  const details = section.querySelector('details');
  const body = section.querySelector('tbody');

  /** Left, top, width, height. */
  const BOXES = {
    open: [16, 64, 144, 92],
    flushing: [244, 64, 144, 92],
    lingering: [176, 228, 120, 66],
    closed: [16, 350, 372, 60],
  };

  /** Where each arrow goes, and where its number stands. */
  const ARROWS = [
    ['accepted', [88, 22, 88, 64], [96, 44, 'start'], (tally) => tally.accepted],
    ['open_to_flushing', [160, 92, 244, 92], [202, 84, 'middle'], (tally) => tally.moves.open_to_flushing],
    ['flushing_to_open', [244, 130, 160, 130], [202, 148, 'middle'], (tally) => tally.moves.flushing_to_open],
    ['open_to_lingering', [128, 156, 204, 228], [178, 188, 'start'], (tally) => tally.moves.open_to_lingering],
    ['flushing_to_lingering', [292, 156, 268, 228], [288, 200, 'start'], (tally) => tally.moves.flushing_to_lingering],
    ['open_to_closed', [52, 156, 52, 350], [60, 254, 'start'], (tally) => tally.moves.open_to_closed],
    ['flushing_to_closed', [366, 156, 366, 350], [358, 254, 'end'], (tally) => tally.moves.flushing_to_closed],
    ['lingering_to_closed', [236, 294, 236, 350], [244, 326, 'start'], (tally) => tally.moves.lingering_to_closed],
  ];

  const boxes = new Map();
  const arrows = new Map();
  build();

  function build() {
    const head = draw('path', { d: 'M0 0L8 4L0 8Z', class: 'head' });
    const size = { viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 9, markerHeight: 9 };
    const marker = { id: 'arrow', orient: 'auto', markerUnits: 'userSpaceOnUse', ...size };
    svg.append(draw('defs', {}, draw('marker', marker, head)));
    for (const [name, [x1, y1, x2, y2]] of ARROWS) {
      const line = draw('line', { x1, y1, x2, y2, 'marker-end': 'url(#arrow)' });
      const arrow = draw('g', { class: 'arrow' }, draw('title', {}, spoken(name)), line);
      arrows.set(name, { arrow, line });
      svg.append(arrow);
    }
    svg.append(draw('text', { x: 88, y: 15, class: 'name' }, 'accept'));
    for (const [name, [x, y, width, height]] of Object.entries(BOXES)) {
      const middle = x + width / 2;
      const number = draw('text', { x: middle, y: y + 44, class: 'large' });
      const details = [62, 78].map((below) => draw('text', { x: middle, y: y + below, class: 'detail' }));
      const level = draw('rect', { x, y: y + height - 4, width: 0, height: 4, class: 'level' });
      const title = draw('text', { x: middle, y: y + 18, class: 'name' }, name);
      const frame = draw('rect', { x, y, width, height, rx: 8, class: `box ${name}` });
      svg.append(draw('g', {}, frame, level, title, number, ...details));
      boxes.set(name, { number, details, level, width });
    }
    // Above everything else, so that no line crosses a number.
    for (const [name, , [x, y, anchor]] of ARROWS) {
      const label = draw('text', { x, y, class: 'rate', 'text-anchor': anchor });
      arrows.get(name).label = label;
      svg.append(label);
    }
  }

  function show({ frame, perSecond }) {
    const { open, tally } = frame;
    const limit = frame.server.connections_max;
    const isOpen = open.idle + open.mid_message;
    const closed = Object.values(tally.closed).reduce((sum, number) => sum + number, 0);
    setBox('open', isOpen, isOpen / limit, `${count(open.idle)} idle`, `${count(open.mid_message)} in a message`);
    setBox('flushing', open.flushing, open.flushing / limit, `${bytes(open.waiting_bytes)} wait`);
    setBox('lingering', open.lingering, open.lingering / limit);
    setBox('closed', closed, 0);
    for (const [name, , , pick] of ARROWS) setArrow(name, perSecond(pick));
    tell(
      words,
      `${plural(open.total, 'connection is', 'connections are')} open, of ${count(limit)} that may be: ` +
        `${count(open.idle)} idle, ${count(open.mid_message)} with a part of a message, ` +
        `${count(open.flushing)} flushing, ${count(open.lingering)} lingering.`,
    );
    if (details.open) showTable(tally, perSecond);
  }

  /** `part` of all that may be open is drawn as a level. */
  function setBox(name, number, part, ...details) {
    const box = boxes.get(name);
    tell(box.number, count(number));
    box.details.forEach((element, index) => tell(element, details[index] ?? ''));
    box.level.setAttribute('width', (box.width * Math.min(1, part)).toFixed(1));
  }

  /** Ten times as many moves make an arrow one step thicker. */
  function setArrow(name, rate) {
    const { arrow, line, label } = arrows.get(name);
    const isUsed = rate > 0;
    arrow.classList.toggle('used', isUsed);
    label.classList.toggle('used', isUsed);
    line.setAttribute('stroke-width', isUsed ? (1.5 + Math.log10(1 + rate)).toFixed(1) : '1.5');
    tell(label, rate === null ? '' : `${rough(rate)}/s`);
  }

  function showTable(tally, perSecond) {
    const moves = ARROWS.map(([name, , , pick]) => [spoken(name), count(pick(tally)), rough(perSecond(pick))]);
    const reasons = Object.keys(tally.closed).map((reason) => {
      const pick = (its) => its.closed[reason];
      return [`closed: ${spoken(reason)}`, count(pick(tally)), rough(perSecond(pick))];
    });
    fill(body, [...moves, ...reasons]);
  }

  return { show };
})();
