// The second picture: a bar for each of the last turns.

const strip = (() => {
  const { swatch } = circle;
  const { textures } = patterns;
  const { PHASES, count, make, plural, spoken, tell, time } = format;

  const section = document.getElementById('strip');
  const slider = section.querySelector('.canvas');
  const canvas = section.querySelector('canvas');
  const words = section.querySelector('.words');
  const context = canvas.getContext('2d');

  const TURNS_MAX = 256;
  const BAR_MIN_PX = 5;
  /** A row: marks, time awake, the line, sleep, a gap. Where there are many rows, each is lower. */
  const [MARK, AWAKE_BY_ROWS, SLEEP, GAP] = [10, { 1: 100, 2: 64 }, 24, 8];
  const AWAKE_LEAST = 40;
  /** Room for the scale, left of the bars. */
  const SCALE = 44;
  const SCALE_US = [100, 1000, 10_000];
  /** What reaches the top, in microseconds: longer turns and sleeps are cut off. */
  const [AWAKE_MAX_US, SLEEP_MAX_US] = [100_000, 10_000_000];

  let turns = [];
  /** The number of the chosen turn; 0 is none. */
  let chosen = 0;
  let chose = () => {};
  let layout = { rows: 1, columns: TURNS_MAX, width: 1, awake: AWAKE_LEAST, row: 1 };

  section.querySelector('.legend').append(
    ...['asleep', ...PHASES].map((name) => make('span', {}, swatch(name), name)),
    make('span', {}, make('i', { class: 'mark deadline' }), 'woken by a deadline'),
    make('span', {}, make('i', { class: 'mark work-left' }), 'did not sleep: work was left'),
  );

  /** `callback` is told when a turn is chosen. */
  function onChoice(callback) {
    chose = callback;
  }

  function show(view) {
    turns = view.turns;
    chosen = 0;
    slider.setAttribute('aria-valuemin', turns[0]?.number ?? 0);
    slider.setAttribute('aria-valuemax', turns.at(-1)?.number ?? 0);
    slider.setAttribute('aria-valuenow', turns.at(-1)?.number ?? 0);
    redraw();
    describe();
  }

  function redraw() {
    fit();
    const style = getComputedStyle(section);
    const colours = textures(context, style);
    drawScale(style);
    turns.forEach((turn, index) => {
      const place = TURNS_MAX - turns.length + index;
      const x = SCALE + (place % layout.columns) * layout.width;
      const y = Math.floor(place / layout.columns) * layout.row;
      drawTurn(turn, x, y, colours, style);
    });
  }

  /** As many rows as make each bar wide enough. */
  function fit() {
    const width = slider.clientWidth - SCALE;
    let rows = 1;
    while (rows < 8 && (width * rows) / TURNS_MAX < BAR_MIN_PX) rows *= 2;
    const columns = TURNS_MAX / rows;
    const awake = AWAKE_BY_ROWS[rows] ?? AWAKE_LEAST;
    layout = { rows, columns, width: width / columns, awake, row: MARK + awake + SLEEP + GAP };
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round((width + SCALE) * scale), Math.round(rows * layout.row * scale)];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
      canvas.style.height = `${rows * layout.row}px`;
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width + SCALE, rows * layout.row);
  }

  function drawScale(style) {
    context.font = '10px system-ui, sans-serif';
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (let row = 0; row < layout.rows; row += 1) {
      const line = row * layout.row + MARK + layout.awake;
      for (const us of SCALE_US) {
        const y = Math.round(line - heightOf(us, AWAKE_MAX_US, layout.awake));
        context.fillStyle = style.getPropertyValue('--edge');
        context.fillRect(SCALE, y, layout.columns * layout.width, 1);
        context.fillStyle = style.getPropertyValue('--soft');
        context.fillText(time(us), SCALE - 4, y);
      }
      context.fillText('asleep', SCALE - 4, line + SLEEP / 2);
    }
  }

  function drawTurn(turn, x, y, colours, style) {
    const width = Math.max(1, layout.width - 1);
    const line = y + MARK + layout.awake;
    const awake = PHASES.reduce((sum, phase) => sum + turn.phases[phase], 0);
    const height = heightOf(awake, AWAKE_MAX_US, layout.awake);
    let top = line;
    for (const phase of PHASES) {
      const part = awake > 0 ? (turn.phases[phase] / awake) * height : 0;
      context.fillStyle = colours.get(phase);
      context.fillRect(x, top - part, width, part);
      top -= part;
    }
    context.fillStyle = colours.get('asleep');
    context.fillRect(x, line + 1, width, heightOf(turn.slept_us, SLEEP_MAX_US, SLEEP));
    context.fillStyle = style.getPropertyValue('--line');
    context.fillRect(x, line, layout.width, 1);
    drawMark(turn, x, y, width, style);
    if (turn.number === chosen) {
      context.strokeStyle = style.getPropertyValue('--text');
      context.lineWidth = 2;
      context.strokeRect(x, y + 1, width, layout.row - GAP);
    }
  }

  /** Ten times the time is one step more. */
  function heightOf(us, max, height) {
    return Math.min(1, Math.log10(1 + us) / Math.log10(1 + max)) * height;
  }

  function drawMark(turn, x, y, width, style) {
    context.fillStyle = style.getPropertyValue('--text');
    if (turn.woken_by === 'work_left') {
      context.beginPath();
      context.moveTo(x, y + 7);
      context.lineTo(x + width, y + 7);
      context.lineTo(x + width / 2, y + 1);
      context.fill();
    } else if (turn.woken_by === 'deadline') {
      context.fillRect(x, y + 5, width, 2);
    }
    if (turn.draining) {
      context.fillRect(x, y + layout.row - GAP + 2, layout.width, 3);
    }
  }

  // Choosing a turn.

  function choose(index) {
    if (turns.length === 0) return;
    const turn = turns[Math.max(0, Math.min(turns.length - 1, index))];
    chose();
    chosen = turn.number;
    slider.setAttribute('aria-valuenow', turn.number);
    redraw();
    describe();
  }

  function describe() {
    const turn = turns.find(({ number }) => number === chosen);
    const text = turn ? sentence(turn) : summary();
    tell(words, text);
    slider.setAttribute('aria-valuetext', text);
  }

  function summary() {
    if (turns.length === 0) return 'No turn was timed yet.';
    const span = turns.at(-1).at_us - turns[0].at_us;
    const woken = (by) => turns.filter((turn) => turn.woken_by === by).length;
    const drained = turns.filter((turn) => turn.draining).length;
    return (
      `Turns ${count(turns[0].number)} to ${count(turns.at(-1).number)}, in ${time(span)}: ` +
      `${count(woken('event'))} woken by events, ${count(woken('deadline'))} by a deadline, ` +
      `${count(woken('work_left'))} did not sleep` +
      `${drained > 0 ? `; ${plural(drained, 'turn', 'turns')} of the drain, underlined` : ''}.`
    );
  }

  function sentence(turn) {
    const phases = PHASES.filter((phase) => turn.phases[phase] >= 0.05);
    const times = phases.map((phase) => `${phase} ${time(turn.phases[phase])}`).join(', ');
    return (
      `Turn ${count(turn.number)} slept ${time(turn.slept_us)}, woken by ${spoken(turn.woken_by)}: ` +
      `${plural(turn.events, 'event', 'events')}, ${plural(turn.visits, 'visit', 'visits')}, ` +
      `${count(turn.accepted)} accepted, ${count(turn.reaped)} reaped` +
      `${times ? `; ${times}` : ''}${turn.draining ? '; the server drains' : ''}.`
    );
  }

  slider.addEventListener('pointerdown', (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.max(0, Math.floor((event.clientX - box.left - SCALE) / layout.width));
    const row = Math.floor((event.clientY - box.top) / layout.row);
    choose(row * layout.columns + column - (TURNS_MAX - turns.length));
  });

  slider.addEventListener('keydown', (event) => {
    const present = turns.findIndex(({ number }) => number === chosen);
    const from = present < 0 ? turns.length - 1 : present;
    const steps = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from - layout.columns,
      ArrowDown: from + layout.columns,
      Home: 0,
      End: turns.length - 1,
    };
    if (event.key in steps) {
      event.preventDefault();
      choose(steps[event.key]);
    }
  });

  return { onChoice, show, redraw };
})();
