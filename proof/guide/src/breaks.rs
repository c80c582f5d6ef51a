//! Five changes of one line each that spoil the server. Each is found by its words, not by its place, so that it
//! still applies when the lines around it change.

use std::io;
use std::path::Path;

/// A change of one line.
pub(crate) struct Break {
    pub(crate) title: &'static str,
    /// The file, from the root of the checkout on.
    pub(crate) file: &'static str,
    /// The beginning of the function that has the line.
    function: &'static str,
    /// The line, without its indentation, and what stands in its place.
    line: &'static str,
    instead: &'static str,
    pub(crate) witness: Witness,
    /// What the change costs, in plain words.
    pub(crate) story: &'static str,
}

/// The test that notices the change.
pub(crate) struct Witness {
    /// A variable for the test.
    pub(crate) variable: Option<(&'static str, &'static str)>,
    /// Which tests are built: `--lib`, or `--test NAME`.
    pub(crate) tests: &'static [&'static str],
    pub(crate) name: &'static str,
    /// What it says, so that no other failure passes for this one.
    pub(crate) says: &'static str,
}

/// The simulation tells the shortest life that breaks a promise.
const fn simulation(says: &'static str) -> Witness {
    Witness {
        variable: Some(("SHORTEST", "1")),
        tests: &["--test", "simulation"],
        name: "every_life_keeps_every_promise",
        says,
    }
}

pub(crate) const BREAKS: [Break; 5] = [
    Break {
        title: "A short read is trusted, although a FIN may stand behind it",
        file: "echo-reactor/src/connection.rs",
        function: "fn has_read_all(",
        line: "count < room && !self.read_on",
        instead: "count < room",
        witness: simulation("and no edge will come"),
        story: "\
A read that gets less than there was room for has emptied the kernel's buffer. That saves a second read,
which would only find EAGAIN. But the end of the input is no byte, and a read that gets bytes does not
tell of it. Data and FIN often come in one segment, and epoll tells of both in one event. A server that
stops at the short read never sees the end: it sleeps, its peer waits, and no further event will come.
So where the event says that the end has come (EPOLLRDHUP), a short read proves nothing.",
    },
    Break {
        title: "A slot is freed in the middle of a turn",
        file: "echo-reactor/src/reactor.rs",
        function: "fn follow_up(",
        line: "self.closed.push(slot);",
        instead: "self.closed.push(slot); self.reap();",
        witness: Witness {
            variable: None,
            tests: &["--test", "promises"],
            name: "drain::every_connection_in_the_listen_queue_is_served",
            says: "0 bytes came",
        },
        story: "\
300 clients waited in the listen queue, each with its message. The first got its reply, and all others
got nothing: the server is dead. A slot's number is a handle, and in the middle of a turn others still
hold it: the function that called, the queue of connections that are ready, the events of this turn.
Here the caller looks into the slot once more and finds nobody. The slab checks (\"invalid key\"), and
the process ends. With a pointer in place of the number this is a use after free. With a new connection
in the slot it is worse: nothing crashes, and one client gets what belongs to another. So slots are
freed in one place, where nobody holds a number any more: at the end of the turn, in `reap`.",
    },
    Break {
        title: "An edge of the listener is forgotten",
        file: "echo-reactor/src/acceptor.rs",
        function: "pub fn next<",
        line: "let state = State::Full { since: now };",
        instead: "let state = State::Waiting;",
        witness: simulation("sleeps with connections in the queue"),
        story: "\
At `connections_max` the server stops accepting, and the listen queue holds the rest. Epoll has told of
them already, and does not tell again when a place becomes free. A server that waits for an edge now
waits for the next newcomer, and so do those in the queue. In a quiet hour nobody comes. So the acceptor
has a state for this, `Full`, which the next close ends. It is the same when descriptors run out
(EMFILE): many servers stop accepting there, and never begin again.",
    },
    Break {
        title: "A connection is closed without lingering",
        file: "echo-reactor/src/connection.rs",
        function: "fn end_output(",
        line: "self.enter(State::Lingering { reason, since: now }, account);",
        instead: "self.close(reason, account);",
        witness: Witness {
            variable: None,
            tests: &["--test", "promises"],
            name: "protocol::a_byte_behind_the_end_does_not_destroy_a_reply_on_its_way",
            says: "12000 were expected",
        },
        story: "\
The reply was sent, so the socket may be closed? `send` has only handed it to the kernel. If input is
unread at the close, or comes after it, the kernel sends a reset instead of a FIN. A reset throws away
what is still on its way, so the peer sees a part of its reply, or nothing. Therefore the server ends
its output (`shutdown`), goes on reading what it does not want, and closes when the peer has ended too,
or after five seconds. RFC 2525 describes the mistake in section 2.17.",
    },
    Break {
        title: "Every message moves a timer",
        file: "echo-reactor/src/reactor.rs",
        function: "fn follow_up(",
        line: "if deadline < connection.check_at {",
        instead: "if deadline != connection.check_at {",
        witness: Witness {
            variable: None,
            tests: &["--lib"],
            name: "reactor::tests::a_message_moves_its_deadline_and_touches_no_timer",
            says: "1000 timers were moved",
        },
        story: "\
Nothing that this server does is wrong; it only does too much. A connection's deadline moves with every
byte, and here its timer moves along: for each message a removal and an insertion, in a tree that holds
all connections. The lazy way leaves the timer where it is. When it comes due, the connection is asked;
if a byte has come since, the timer moves then. That is once a minute for each connection, however many
messages it sends.",
    },
];

/// A source with the change in it.
pub(crate) struct Changed {
    pub(crate) text: String,
    /// The number of the line, and the line before and after the change.
    pub(crate) number: usize,
    pub(crate) before: String,
    pub(crate) after: String,
}

impl Break {
    /// Changes the line of this source. Fails if the function is not there once, or the line not in it once.
    pub(crate) fn apply(&self, source: &str) -> io::Result<Changed> {
        let lines: Vec<&str> = source.lines().collect();
        let (begin, end) =
            extent(&lines, self.function).ok_or_else(|| self.stale(self.function))?;
        let is_it = |number: &usize| lines[*number].trim_start() == self.line;
        let places: Vec<usize> = (begin..end).filter(is_it).collect();
        let [place] = places[..] else { return Err(self.stale(self.line)) };
        let before = lines[place].to_owned();
        let after = before.replace(self.line, self.instead);
        let mut changed = lines;
        changed[place] = &after;
        let text = changed.join("\n") + "\n";
        Ok(Changed { text, number: place + 1, before, after })
    }

    fn stale(&self, words: &str) -> io::Error {
        let (file, function) = (self.file, self.function.trim_end_matches(['(', '<']));
        let places = Path::new(file!()).display().to_string();
        io::Error::other(format!(
            "this break does not fit the sources any more: {file}, {function}, has not exactly one `{words}`; \
             correct it in {places}"
        ))
    }
}

/// The lines of the one function that begins with these words: up to the brace in its own column.
fn extent(lines: &[&str], function: &str) -> Option<(usize, usize)> {
    let begins = |line: &&str| line.trim_start().starts_with(function);
    let mut heads = lines.iter().enumerate().filter(|(_, line)| begins(line));
    let (begin, head) = heads.next()?;
    if heads.next().is_some() {
        return None;
    }
    let indentation = head.len() - head.trim_start().len();
    let brace = format!("{}}}", " ".repeat(indentation));
    let length = lines[begin..].iter().position(|line| **line == brace)?;
    Some((begin, begin + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: Break = Break {
        title: "",
        file: "a.rs",
        function: "fn two(",
        line: "go();",
        instead: "stay();",
        witness: Witness { variable: None, tests: &[], name: "", says: "" },
        story: "",
    };

    #[test]
    fn the_line_is_changed_in_its_function_alone() {
        let source =
            "fn one() {\n    go();\n}\n\nfn two() {\n    if x {\n        go();\n    }\n}\n";
        let changed = CHANGE.apply(source).unwrap();
        let expected = source.replace("        go();", "        stay();");
        assert_eq!((changed.text, changed.number), (expected, 7));
        assert_eq!((&*changed.before, &*changed.after), ("        go();", "        stay();"));
    }

    #[test]
    fn a_break_that_does_not_fit_any_more_says_so() {
        for source in [
            "fn one() {\n    go();\n}\n",
            "fn two() {\n    go(1);\n}\n",
            "fn two() {\n    go();\n    go();\n}\n",
        ] {
            let error = CHANGE.apply(source).err().expect("it does not fit").to_string();
            assert!(error.contains("a.rs, fn two, has not exactly one"), "{error}");
        }
    }
}
