// All counters, as a table. It is filled only while it is open.

const counters = (() => {
  const { count, fill, rough, spoken } = format;

  const details = document.getElementById('counters');
  const body = details.querySelector('tbody');

  function show({ frame, perSecond }) {
    if (!details.open) return;
    const rows = [];
    for (const [name, value] of Object.entries(frame.tally)) {
      if (typeof value === 'number') {
        rows.push([spoken(name), count(value), rough(perSecond((tally) => tally[name]))]);
      } else {
        for (const [part, number] of Object.entries(value)) {
          const title = `${spoken(name)}: ${spoken(part)}`;
          rows.push([title, count(number), rough(perSecond((tally) => tally[name][part]))]);
        }
      }
    }
    fill(body, rows);
  }

  return { show };
})();
