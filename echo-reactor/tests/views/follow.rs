//! `--watch --follow`.

use std::io::Write;
use std::process::Stdio;

use echo_harness::command::run;
use echo_harness::terminal::Terminal;
use echo_status::{Call, Step, StepLine, VERSION};

use crate::kit::{free_address, look, port_that, port_that_says};

/// A port that tells of these steps and ends.
fn port_that_tells(steps: Vec<Step>) -> std::net::SocketAddr {
    port_that(move |visitor| {
        for step in &steps {
            let line = StepLine { version: VERSION, us: 12, turn: 7, step: step.clone() };
            let line = serde_json::to_string(&line).expect("a step is JSON");
            let _ = writeln!(visitor, "{line}");
        }
    })
}

fn read_nothing() -> Step {
    let (name, error) = ("recv".to_owned(), Some("EAGAIN".to_owned()));
    Step::Call(Call { name, asked: 16_384, got: None, error })
}

fn closed() -> Step {
    Step::Closed { reason: "its messages are answered".to_owned(), messages: 1 }
}

#[test]
fn it_ends_with_the_connection() {
    let steps = vec![Step::Waiting, Step::Waiting, read_nothing(), closed(), Step::Waiting];
    let finished = run(&mut look(&port_that_tells(steps), &["--watch", "--follow"]));
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].ends_with("what it means"));
    assert!(lines[1].contains("waiting for a connection"));
    assert!(lines[2].ends_with("nothing there: wait for the next event"));
    assert!(lines[3].contains("closed    its messages are answered (1 message)"));
}

#[test]
fn a_server_that_goes_in_the_middle_is_said() {
    let steps = vec![Step::Waiting, read_nothing()];
    let finished = run(&mut look(&port_that_tells(steps), &["--watch", "--follow"]));
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    assert_eq!(finished.stderr, "echo-reactor: the server is gone: connection aborted\n");
}

#[test]
fn a_refusal_is_said() {
    let port = port_that_says("{\"error\":\"as many as may follow are there\"}\n");
    let finished = run(&mut look(&port, &["--watch", "--follow"]));
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    assert_eq!(
        finished.stderr,
        "echo-reactor: the server refuses: as many as may follow are there\n"
    );
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let mut command = look(&free_address(), &["--watch", "--follow"]);
    let finished = run(command.stdin(Stdio::null()));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("no status port answers at "), "{}", finished.stderr);
}

#[test]
fn in_a_narrow_terminal_each_explanation_stands_below_its_step() {
    let port = port_that_tells(vec![Step::Waiting, read_nothing(), closed()]);
    let terminal = Terminal::new(80, 24);
    let follow = terminal.start(&look(&port, &["--watch", "--follow"]));
    assert_eq!(follow.wait().status.code(), Some(0));
    terminal.wait_for("closed    its messages are answered");
    let rows = terminal.rows();
    let step = rows.iter().position(|row| row.ends_with("recv      16,384 bytes: EAGAIN"));
    let step = step.unwrap_or_else(|| panic!("{rows:#?}"));
    assert_eq!(rows[step + 1].trim(), "nothing there: wait for the next event");
    assert!(!terminal.has_wrapped() && !terminal.is_taken());
}
