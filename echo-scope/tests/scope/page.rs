//! The page in a real browser, with servers that the test plays.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use echo_harness::ports::free_port;
use echo_harness::wait;
use echo_status::{Delay, Drain, Exit, Frame, Measured, Phase, Phases, Step};
use serde_json::Value;

use crate::browser::{Browser, Look};
use crate::fake::{Fake, measured, turn};
use crate::follow::life;
use crate::scope::{Scope, scope};

pub(crate) const WIDE: Look = Look { width: 1600, height: 1000, is_dark: false };
/// Keys in the driver's table.
const ENTER: char = '\u{e007}';
const LEFT: char = '\u{e012}';
const NARROW: Look = Look { width: 375, height: 800, is_dark: false };

/// Keeps a server busy until this is dropped.
struct Load {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn on(fake: &Arc<Fake>) -> Load {
        let is_over = Arc::new(AtomicBool::new(false));
        let (fake, is_over_there) = (Arc::clone(fake), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            for round in 1.. {
                fake.change(|frame| work(frame, round));
                if is_over_there.load(Ordering::SeqCst) {
                    return;
                }
                thread::sleep(Duration::from_millis(100));
            }
        });
        Load { is_over, thread: Some(thread) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = self.thread.take().expect("a thread").join();
    }
}

/// The state after some rounds of load.
fn work(frame: &mut Frame, round: u64) {
    let tally = &mut frame.tally;
    tally.turns = round * 110;
    tally.woken.by_event = round * 100;
    tally.events.connection = round * 800;
    tally.events.listener = round * 30;
    tally.messages = round * 900;
    tally.reads = round * 910;
    tally.reads_empty = round * 2;
    tally.sends = round * 905;
    tally.sends_short = round * 3;
    tally.bytes_in = round * 61_000;
    tally.bytes_out = round * 60_000;
    tally.accepted = round * 31;
    tally.moves.open_to_flushing = round * 4;
    tally.moves.flushing_to_open = round * 3;
    tally.moves.open_to_lingering = round * 2;
    tally.moves.flushing_to_lingering = round;
    tally.moves.open_to_closed = round * 28;
    tally.moves.lingering_to_closed = round * 3;
    tally.closed.answered = round * 29;
    tally.closed.peer_closed = round * 2;
    tally.budgets.events = round / 4;
    frame.open.idle = 371 + round % 7;
    frame.open.mid_message = 18;
    frame.open.flushing = 21 + round % 3;
    frame.open.lingering = 2;
    frame.open.total = frame.open.idle + 18 + frame.open.flushing + 2;
    frame.open.waiting_bytes = 1_400_000 + round * 100;
    frame.turns = (round * 110..(round + 4) * 110).map(turn).collect();
    let mut second = measured();
    #[allow(clippy::cast_precision_loss)]
    let some = (round % 10) as f64;
    second.phases.serve += some * 9000.0;
    frame.last_second = Some(second);
}

/// Waits until every picture has changed.
pub(crate) fn wait_until_all_move(browser: &Browser) {
    for (what, expression) in [
        ("the circle moving", "document.querySelector('#circle table').textContent"),
        ("the arcs moving", "document.querySelector('#circle svg[role]').innerHTML"),
        ("the strip moving", "document.querySelector('#strip canvas').toDataURL()"),
        ("the states moving", "document.querySelector('#states svg').textContent"),
        ("the numbers moving", "document.querySelector('#facts').textContent"),
    ] {
        let look = || browser.run(&format!("return {expression}"));
        let before = look();
        wait::until(what, || look() != before);
    }
}

/// Waits until a followed connection is closed. If the browser's connection breaks off meanwhile, asks again.
pub(crate) fn wait_until_followed(browser: &Browser) {
    wait::until("a closed connection", || {
        let state = browser.text("#follow .state");
        if state.contains("does not answer") {
            browser.click("#follow button");
        }
        state.starts_with("Closed: ")
    });
}

/// Panics unless the console is empty.
pub(crate) fn assert_no_complaint(browser: &Browser) {
    let console = browser.console();
    assert!(console.is_empty(), "{console:#?}");
}

/// Where somebody wants to see the pictures: `SCREENSHOTS=FOLDER`.
pub(crate) fn save(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        browser.save_picture(&PathBuf::from(folder).join(format!("{name}.png")));
    }
}

/// A browser that shows the page of this server; nothing where there is no browser.
pub(crate) fn show(servers: &impl Display, look: Look) -> Option<(Browser, Scope)> {
    let browser = Browser::open()?;
    let scope = Scope::start(servers);
    browser.look(look);
    browser.go(scope.port);
    Some((browser, scope))
}

#[test]
fn the_pictures_move_under_load() {
    let fake = Arc::new(Fake::start());
    let Some((browser, _scope)) = show(&fake.address, WIDE) else { return };
    let _load = Load::on(&fake);
    browser.until_text("#who", "c0ffee");
    wait_until_all_move(&browser);
    browser.until_text("#strip .words", "did not sleep");
    browser.until_text("#states .rate.used", "/s");
    browser.until_text("#notes", "back-pressure");
    save(&browser, "wide-light");
    browser.look(Look { is_dark: true, ..WIDE });
    save(&browser, "wide-dark");
    assert_no_complaint(&browser);
}

/// What is drawn in both rings, at some parts of the way around.
const ARCS: &str = "
    const box = document.querySelector('#circle svg[role]').getBoundingClientRect();
    const at = (radius, part) => {
        const [angle, scale] = [2 * Math.PI * part, box.width / 320];
        const x = box.left + (160 + radius * Math.sin(angle)) * scale;
        const y = box.top + (160 - radius * Math.cos(angle)) * scale;
        return document.elementFromPoint(x, y).querySelector('title')?.textContent;
    };
    return [at(140, 0.02), at(140, 0.73), at(140, 0.77), at(140, 0.98),
        at(100, 0.02), at(100, 0.48), at(100, 0.52), at(100, 0.73), at(100, 0.77), at(100, 0.98)];";

#[test]
fn an_arc_is_as_long_as_its_time() {
    let fake = Fake::start();
    fake.change(|frame| {
        let phases = Phases { serve: 125e3, accept: 62.5e3, log: 62.5e3, ..Phases::default() };
        frame.last_second = Some(Measured { asleep_us: 750_000, phases, ..measured() });
    });
    let Some((browser, _scope)) = show(&fake.address, WIDE) else { return };
    browser.until_text("#circle tbody", "serve");
    let (asleep, awake) = ("asleep: 75 %", "awake: 25 %");
    let (serve, accept, log) = ("serve: 50 %", "accept: 25 %", "log: 25 %");
    let expected =
        [asleep, asleep, awake, awake, serve, serve, accept, accept, log, log].map(Value::from);
    assert_eq!(browser.run(ARCS), Value::from(expected.to_vec()));
    assert_no_complaint(&browser);
}

#[test]
fn a_drain_a_restart_and_an_end_are_seen() {
    let fake = Fake::start();
    let address = fake.address;
    let Some((browser, _scope)) = show(&address, WIDE) else { return };
    browser.until_text("#drain .words", "No signal has come");
    let delay = Delay { signal: "SIGTERM".to_owned(), us: 1_000_000, delay_us: 5_000_000 };
    fake.change(|frame| (frame.phase, frame.delay) = (Phase::Leaving, Some(delay)));
    browser.until_text("#drain .words", "SIGTERM came 1 s ago. The server goes on as before");
    browser.until_text("#drain svg", "of 5 s");
    browser.until_text("#news", "is leaving");
    let mut drain = Drain {
        signal: "SIGTERM".to_owned(),
        us: 250_000,
        timeout_us: 700_000,
        listener_is_closed: true,
        owing: 3,
        exit: None,
    };
    fake.change(|frame| {
        frame.delay = None;
        (frame.phase, frame.drain) = (Phase::Draining, Some(drain.clone()));
    });
    browser.until_text("#drain .words", "SIGTERM came 250 ms ago");
    browser.until_text("#drain ol", "3 connections owe a reply");
    browser.until_text("#drain svg", "of 700 ms");
    browser.until_text("#news", "is draining");
    save(&browser, "drain");

    (drain.owing, drain.exit) = (0, Some(Exit::Drained));
    fake.change(|frame| (frame.phase, frame.drain) = (Phase::Stopped, Some(drain)));
    browser.until_text("#drain .words", "every connection was closed in order");
    drop(fake);
    browser.until_text("#who", "gone for");
    browser.until_text("#news", "has left");
    browser.until("old pictures", "document.body.classList.contains('stale')");
    save(&browser, "gone");

    let fake = Fake::start_at(address);
    fake.change(|frame| frame.server.started_unix_us += 1);
    browser.until_text("#who", "started anew once");
    browser.until_text("#drain .words", "No signal has come");
    browser.until("new pictures", "!document.body.classList.contains('stale')");
    fake.be_mute(true);
    browser.until_text("#who", "silent for");
    assert_no_complaint(&browser);
}

#[test]
fn a_connection_is_followed_step_by_step() {
    let fake = Fake::start();
    let Some((browser, _scope)) = show(&fake.address, WIDE) else { return };
    browser.until_text("#who", "c0ffee");
    // By the keyboard alone.
    browser.run("document.querySelector('#follow button').focus()");
    browser.press(ENTER);
    fake.step(0, Step::Waiting);
    browser.until_text("#follow .state", "Waiting for a connection");
    life(&fake);
    wait_until_followed(&browser);
    let state = browser.text("#follow .state");
    assert_eq!(state, "Closed: the peer closed it, all is answered, after 1 message.");
    browser.until_text("#follow button", "Follow the next connection");
    for (row, lane, text) in [
        (2, "read", "recv: EAGAIN"),
        (2, "kernel", "input: empty"),
        (4, "", "silence for 1 ms"),
        (5, "event", "readable"),
        (6, "read", "recv: 16,384 of 16,384"),
        (7, "send", "send: 4,096 of 16,384"),
        (7, "kernel", "output: full"),
        (8, "", "open → flushing"),
        (9, "event", "writable"),
        (12, "kernel", "the peer’s end"),
        (14, "", "closed: the peer closed it"),
    ] {
        let lane = if lane.is_empty() { String::new() } else { format!(".{lane}") };
        let cell = browser.text(&format!("#follow tbody tr:nth-child({row}) td{lane}"));
        assert!(cell.contains(text), "row {row}: {cell:?}");
    }
    save(&browser, "followed");
    assert_no_complaint(&browser);
}

#[test]
fn it_fits_every_width_and_is_readable_in_light_and_dark() {
    let fake = Arc::new(Fake::start());
    let other = Fake::start();
    other.change(|frame| "a-host-with-quite-a-long-name-indeed".clone_into(&mut frame.server.host));
    let servers = format!("{},{},nobody.invalid:1", fake.address, other.address);
    let Some((browser, _scope)) = show(&servers, WIDE) else { return };
    let _load = Load::on(&fake);
    browser.until("both servers", "document.querySelectorAll('#servers tbody tr').length === 2");
    let choice = format!("#servers tr[data-id=\"{}\"] button", fake.address);
    browser.click(&choice);
    browser.until_text("#notes", "back-pressure");
    browser.click("#states summary");
    browser.click("#counters summary");
    browser.click("#follow button");
    life(&fake);
    wait_until_followed(&browser);
    for width in [320, 375, 768, 1200, 1600] {
        for is_dark in [false, true] {
            browser.look(Look { width, height: 900, is_dark });
            let wider = "return [...document.querySelectorAll('body, body *')]
                .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && one.closest('#patterns') === null)
                .map((one) => one.outerHTML.slice(0, 80))";
            assert_eq!(browser.run(wider), Value::Array(Vec::new()), "{width}");
            let scrolls =
                "document.documentElement.scrollWidth > document.documentElement.clientWidth";
            assert_eq!(browser.run(&format!("return {scrolls}")), false, "{width}");
            assert_eq!(browser.run(COVERED), Value::Array(Vec::new()), "{width}");
            assert_eq!(browser.run(FAINT), Value::Array(Vec::new()), "{width}, dark: {is_dark}");
            save(&browser, &format!("{width}-{}", if is_dark { "dark" } else { "light" }));
        }
    }
    assert_no_complaint(&browser);
}

/// The pictures of which another one covers a part, and the numbers in a picture that stick out of it.
const COVERED: &str = r"
    const cards = [...document.querySelectorAll('.card')].map((card) => [card, card.getBoundingClientRect()]);
    const meet = (one, other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
    const covered = cards.filter(([card, box]) => cards.some(([other, its]) => card !== other && meet(box, its)));
    const boxes = [...document.querySelectorAll('#states g:has(> .box)')];
    const sticking = boxes.flatMap((group) => {
        const box = group.querySelector('.box').getBoundingClientRect();
        const inside = ({ left, right }) => left >= box.left && right <= box.right;
        return [...group.querySelectorAll('text')].filter((text) => text.textContent && !inside(text.getBoundingClientRect()));
    });
    return [...covered.map(([card]) => card.id), ...sticking.map((text) => text.textContent)];";

/// The texts whose contrast to what is behind them is less than 4.5.
const FAINT: &str = r"
    const channel = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
    const ground = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const colour = numbers(getComputedStyle(one).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll('body *')].flatMap((element) => {
        const texts = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
        if (!texts || element.closest('title') || element.getClientRects().length === 0) return [];
        const style = getComputedStyle(element);
        const colour = numbers(element instanceof SVGElement ? style.fill : style.color);
        const pair = [light(colour), light(ground(element))].sort((a, b) => b - a);
        const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
        return contrast < 4.5 ? [`${element.tagName} ${element.textContent.slice(0, 40)}: ${contrast}`] : [];
    });";

#[test]
fn the_keyboard_and_a_screen_reader_get_all_of_it() {
    let fake = Arc::new(Fake::start());
    let Some((browser, _scope)) = show(&fake.address, WIDE) else { return };
    let _load = Load::on(&fake);
    browser.until_text("#strip .words", "Turns ");
    // Every picture has a name and words, every control a name.
    let nameless = "return [...document.querySelectorAll('svg[role], button, summary, a, [tabindex], table th')]
        .filter((one) => {
            const name = one.getAttribute('aria-label') ?? (one.matches('svg') ? '' : one.textContent);
            const ids = (one.getAttribute('aria-labelledby') ?? '').split(' ').concat(one.getAttribute('aria-describedby') ?? '');
            const words = ids.filter(Boolean).map((id) => document.getElementById(id).textContent.trim());
            return words.includes('') || (name.trim() === '' && words.length === 0) || (one.matches('svg') && words.length < 2);
        })
        .map((one) => one.outerHTML.slice(0, 80))";
    assert_eq!(browser.run(nameless), Value::Array(Vec::new()));

    // The arrow keys choose a turn, and the page holds still to be read.
    browser.run("document.querySelector('#strip .canvas').focus()");
    browser.press(LEFT);
    browser.until_text("#strip .words", "woken by");
    let chosen = || browser.run("return document.querySelector('#strip .canvas').ariaValueNow");
    let first = chosen();
    browser.press(LEFT);
    wait::until("the turn before", || {
        let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok());
        number(&chosen()) == number(&first).map(|number| number - 1)
    });
    assert_eq!(browser.run("return document.getElementById('pause').ariaPressed"), "true");
    assert!(browser.text("#strip .words").starts_with("Turn "));
    browser.run("document.getElementById('pause').focus()");
    browser.press(ENTER);
    browser.until_text("#strip .words", "Turns ");
    browser.until("motion", "document.getElementById('pause').ariaPressed === 'false'");
    assert_no_complaint(&browser);
}

#[test]
fn who_wants_less_motion_gets_a_picture_a_second() {
    let fake = Arc::new(Fake::start());
    let Some((browser, _scope)) = show(&fake.address, NARROW) else { return };
    let _load = Load::on(&fake);
    browser.until_text("#strip .words", "Turns ");
    browser.media("prefers-reduced-motion", "reduce");
    browser.run(
        "window.changes = [];
         const note = () => window.changes.push(performance.now());
         new MutationObserver(note).observe(document.getElementById('facts'), { subtree: true, childList: true });",
    );
    browser.until("four pictures", "window.changes.length >= 4");
    let gaps = "return window.changes.slice(1).map((at, index) => at - window.changes[index])";
    let gaps = browser.run(gaps);
    let gaps: Vec<f64> = gaps.as_array().expect("gaps").iter().filter_map(Value::as_f64).collect();
    // The first one may stand for a picture from before. On a busy machine a picture is late, and the next is not.
    assert!(gaps[1..].iter().all(|gap| *gap > 600.0), "{gaps:?}");
}

#[test]
fn a_server_is_chosen_among_several() {
    let (one, two) = (Fake::start(), Fake::start());
    two.change(|frame| "second".clone_into(&mut frame.server.host));
    let servers = format!("{},{}", one.address, two.address);
    let Some((browser, _scope)) = show(&servers, WIDE) else { return };
    let row = format!("#servers tr[data-id=\"{}\"]", two.address);
    browser.until_text(&row, "watching");
    browser.click(&format!("{row} button"));
    browser.until_text("#who", "on second,");
    browser.until(
        "its button",
        &format!("document.querySelector('{row} button').ariaPressed === 'true'"),
    );
    drop(two);
    browser.until_text(&row, "gone for");
    browser.until_text("#who", "The pictures show its last moment");
    assert_no_complaint(&browser);
}

#[test]
fn a_page_that_loses_its_program_says_so_and_finds_it_again() {
    let fake = Fake::start();
    let Some(browser) = Browser::open() else { return };
    let port = free_port().expect("a port");
    let start = || {
        let mut command =
            scope(&["--config", "/dev/null", "--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--servers").arg(fake.address.to_string());
        Scope::start_by(command)
    };
    let first = start();
    browser.look(WIDE);
    browser.go(port);
    browser.until_text("#who", "c0ffee");
    first.terminate();
    browser.until_text("#who", "This page has lost echo-scope");
    let _second = start();
    browser.until_text("#who", "c0ffee");
}
