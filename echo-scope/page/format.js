// Numbers, times and amounts as people read them, and a few hands for making elements.

const format = (() => {
  /** The phases of a turn, in its order. `asleep` comes before them. */
  const PHASES = ['signals', 'serve', 'accept', 'expire', 'reap', 'status', 'log'];

  const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

  function count(number) {
    return grouped.format(number);
  }

  /** A number that may be small: with one decimal below ten. `null` is unknown. */
  function rough(number) {
    if (number === null || Number.isNaN(number)) return '–';
    if (number > 0 && number < 0.05) return '<0.1';
    return number < 9.95 && number % 1 !== 0 ? number.toFixed(1) : grouped.format(number);
  }

  /** A share. A sleep may have begun before the second that it is a part of: so there may be more than all. */
  function percent(part) {
    if (part === null || Number.isNaN(part)) return '–';
    const hundredths = Math.min(part, 1) * 100;
    if (hundredths > 0 && hundredths < 1) return '<1 %';
    if (hundredths > 99 && hundredths < 100) return '>99 %';
    return `${Math.round(hundredths)} %`;
  }

  /** A time of microseconds. */
  function time(us) {
    if (us === null || Number.isNaN(us)) return '–';
    if (us < 1) return us === 0 ? '0 µs' : `${us.toFixed(1)} µs`;
    if (us < 10) return `${rough(us)} µs`;
    if (us < 1000) return `${Math.round(us)} µs`;
    if (us < 1e6) return `${rough(us / 1000)} ms`;
    const seconds = us / 1e6;
    if (seconds < 60) return `${rough(seconds)} s`;
    const [minutes, hours, days] = [seconds / 60, seconds / 3600, seconds / 86400].map(Math.floor);
    if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
    if (hours < 48) return `${hours} h ${minutes % 60} min`;
    return `${days} days ${hours % 24} h`;
  }

  function bytes(number) {
    if (number === null || Number.isNaN(number)) return '–';
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
    let unit = 0;
    while (number >= 1024 && unit < units.length - 1) {
      number /= 1024;
      unit += 1;
    }
    return `${unit === 0 ? count(number) : rough(number)} ${units[unit]}`;
  }

  function plural(number, one, many) {
    return `${count(number)} ${number === 1 ? one : many}`;
  }

  /** `idle_timeout` as words. */
  function spoken(name) {
    return name === 'us' ? 'microseconds' : name.replaceAll('_', ' ');
  }

  /** An HTML element. */
  function make(tag, attributes = {}, ...children) {
    return dressed(document.createElement(tag), attributes, children);
  }

  /** An element of SVG. */
  function draw(tag, attributes = {}, ...children) {
    return dressed(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
  }

  function dressed(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  /** Sets a text, and leaves the element alone if it has that text: a reader of the screen hears changes only. */
  function tell(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** Rows of a table: each is a list of texts, the first is its heading. */
  function fill(body, rows) {
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach((cells, index) => {
      const row = body.rows[index] ?? body.insertRow();
      while (row.cells.length < cells.length) {
        row.append(row.cells.length === 0 ? make('th', { scope: 'row' }) : make('td'));
      }
      cells.forEach((text, column) => tell(row.cells[column], text));
    });
  }

  return { PHASES, count, rough, percent, time, bytes, plural, spoken, make, draw, tell, fill };
})();
