// Which servers there are, and how each is reached.

const servers = (() => {
  const { count, make, percent, rough, spoken, tell, time } = format;

  const section = document.getElementById('servers');
  const body = section.querySelector('tbody');
  const problems = section.querySelector('.problems');
  const who = document.getElementById('who');
  const news = document.getElementById('news');
  const COLUMNS = [...section.querySelectorAll('th')].map((heading) => heading.textContent);

  let choose = () => {};
  /** What was said last of each server, by its id. */
  let said = new Map();

  function onChoice(callback) {
    choose = callback;
  }

  function show(view) {
    showTable(view);
    showWho(view);
    sayNews(view);
  }

  /** The page has lost the program that serves it. */
  function scopeIsLost() {
    document.body.classList.add('stale');
    const text = 'This page has lost echo-scope, and tries to reach it again.';
    who.classList.add('trouble');
    tell(who, text);
    tell(news, text);
  }

  function showTable({ servers, names, id }) {
    const troubled = names.filter((name) => name.problem !== null);
    section.hidden = servers.length < 2 && troubled.length === 0;
    section.querySelector('table').hidden = servers.length < 2;
    problems.replaceChildren(...troubled.map(({ name, problem }) => make('li', {}, `${name}: ${problem}`)));
    const known = new Map([...body.rows].map((row) => [row.dataset.id, row]));
    const rows = servers.map((server) => rowOf(server, known.get(server.id) ?? newRow(server.id), server.id === id));
    if (rows.length !== body.rows.length || rows.some((row, index) => row !== body.rows[index])) {
      body.replaceChildren(...rows);
    }
  }

  function newRow(id) {
    const button = make('button', { type: 'button' });
    button.addEventListener('click', () => choose(id));
    const row = make('tr', { role: 'row' }, make('th', { scope: 'row', role: 'rowheader' }, button));
    row.dataset.id = id;
    for (const title of COLUMNS.slice(1)) row.append(make('td', { role: 'cell', 'data-title': title }));
    return row;
  }

  function rowOf(server, row, isShown) {
    const { now, link } = server;
    const button = row.cells[0].firstChild;
    tell(button, nameOf(server));
    button.setAttribute('aria-pressed', String(isShown));
    row.className = link.state;
    const second = now?.last_second;
    const texts = [
      linkWords(link),
      now ? spoken(now.phase) : '–',
      now?.host ?? '–',
      now ? `${count(now.open.total)} of ${count(now.connections_max)}` : '–',
      rough(now?.messages_per_second ?? null),
      percent(second ? second.asleep_us / second.us : null),
      now ? time(now.uptime_us) : '–',
    ];
    texts.forEach((text, index) => tell(row.cells[index + 1], text));
    return row;
  }

  function nameOf({ name, id }) {
    return name === id ? id : `${name} (${id})`;
  }

  function linkWords(link) {
    switch (link.state) {
      case 'connecting':
        return 'connecting';
      case 'watching':
        return 'watching';
      case 'silent':
        return `silent for ${time(link.ms * 1000)}: stopped, paused, or out of reach`;
      default:
        return `gone for ${time(link.ms * 1000)}: ${link.why}`;
    }
  }

  function showWho({ row, servers, frame }) {
    const one = row ?? servers[0];
    const isWell = one?.link.state === 'watching';
    who.classList.toggle('trouble', !isWell && one !== undefined);
    if (one === undefined) {
      tell(who, 'No server has been found yet.');
    } else if (isWell) {
      const again = one.life > 1 ? `, started anew ${one.life === 2 ? 'once' : `${one.life - 1} times`}` : '';
      const { version, host, address } = frame.server;
      tell(who, `${nameOf(one)}: echo-reactor ${version} on ${host}, serving ${address}${again}`);
    } else {
      const last = one.now ? ' The pictures show its last moment.' : '';
      tell(who, `${nameOf(one)} is ${linkWords(one.link)}.${last}`);
    }
  }

  /** Changes alone are read aloud. */
  function sayNews({ servers }) {
    const now = new Map(servers.map((server) => [server.id, headline(server)]));
    const changes = servers.filter((server) => said.has(server.id) && said.get(server.id) !== now.get(server.id));
    if (changes.length > 0) tell(news, changes.map((server) => `${nameOf(server)} ${now.get(server.id)}.`).join(' '));
    said = now;
  }

  function headline({ link, now, life }) {
    if (link.state === 'connecting') return 'has not answered yet';
    if (link.state === 'silent') return 'says nothing';
    if (link.state === 'gone') return now?.phase === 'stopped' ? 'has left' : 'is gone';
    const again = life > 1 ? ` in its life number ${life}` : '';
    return `is ${now?.phase === 'stopped' ? 'about to leave' : spoken(now?.phase ?? 'running')}${again}`;
  }

  return { onChoice, show, scopeIsLost };
})();
