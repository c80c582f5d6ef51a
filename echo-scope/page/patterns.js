// A phase has a colour and a pattern, so that nobody needs the colour to tell it from the others.

const patterns = (() => {
  const { PHASES, draw } = format;

  const TILE = 6;

  /** What is drawn on the colour, in a square of TILE. `serve`, where most time goes, is plain. */
  const MOTIFS = {
    asleep: 'M1.5 1.5h.01M4.5 4.5h.01',
    awake: '',
    signals: 'M3 0V6M0 3H6',
    serve: '',
    accept: 'M-1 7L7 -1M-1 1L1 -1M5 7L7 5',
    expire: 'M3 0V6',
    reap: 'M-1 -1L7 7M5 -1L7 1M-1 5L1 7',
    status: 'M1.5 3h3M3 1.5v3',
    log: 'M0 3H6',
  };

  const NAMES = ['asleep', 'awake', ...PHASES];

  const defs = document.querySelector('#patterns defs');
  for (const name of NAMES) {
    const pattern = { id: `phase-${name}`, width: TILE, height: TILE, patternUnits: 'userSpaceOnUse' };
    const ground = draw('rect', { width: TILE, height: TILE, class: `ground ${name}` });
    defs.append(draw('pattern', pattern, ground, draw('path', { d: MOTIFS[name], class: 'motif' })));
  }

  /** What a canvas fills bars with, by phase. */
  function textures(context, style) {
    const tile = document.createElement('canvas');
    tile.width = TILE;
    tile.height = TILE;
    const brush = tile.getContext('2d');
    brush.lineCap = 'round';
    brush.lineWidth = 1.3;
    brush.strokeStyle = style.getPropertyValue('--motif');
    return new Map(
      NAMES.map((name) => {
        brush.fillStyle = style.getPropertyValue(`--${name}`);
        brush.fillRect(0, 0, TILE, TILE);
        brush.stroke(new Path2D(MOTIFS[name]));
        return [name, context.createPattern(tile, 'repeat')];
      }),
    );
  }

  return { NAMES, textures };
})();
