//! `--once`: one look at all servers.

use echo_harness::command::{Finished, run};
use echo_harness::ports::free_port;
use echo_status::Phase;

use crate::fake::Fake;
use crate::scope::scope;

fn look(servers: &str) -> Finished {
    run(&mut scope(&["--config", "/dev/null", "--once", "--servers", servers]))
}

#[test]
fn each_server_has_its_line_and_all_have_a_sum() {
    let first = Fake::start();
    let second = first.start_beside(2);
    first.change(|frame| {
        frame.tally.messages = 1200;
        frame.open.total = 3;
    });
    second.change(|frame| {
        frame.tally.messages = 34;
        frame.phase = Phase::Leaving;
    });
    let seen = look(&format!("{},{}", first.address, second.address));
    let (first, second) = (first.address, second.address);
    let lines = format!(
        "{first}  running        3 open        1200 messages answered\n\
         {second}  leaving        0 open          34 messages answered\n\
         1234 messages answered by 2 servers\n"
    );
    assert_eq!((seen.code, &*seen.stdout, &*seen.stderr), (Some(0), &*lines, ""));
}

#[test]
fn a_server_that_does_not_tell_is_named_with_the_reason() {
    let server = Fake::start();
    let nobody = format!("127.0.0.1:{}", free_port().expect("a free port"));
    let silent = Fake::start();
    silent.be_mute(true);
    let nowhere = "a..b:7";
    let seen = look(&format!("{nobody},{},{},{nowhere}", server.address, silent.address));
    assert_eq!(seen.code, Some(1), "{}", seen.stdout);
    assert_eq!(seen.stdout.lines().count(), 5, "{}", seen.stdout);
    for (name, told) in [
        (nobody.as_str(), "Connection refused"),
        (nowhere, "failed to lookup"),
        (&silent.address.to_string(), "no answer within 2 s"),
        (&server.address.to_string(), "running"),
    ] {
        let line = seen.stdout.lines().find(|line| line.starts_with(&format!("{name} ")));
        assert!(line.is_some_and(|line| line.contains(told)), "{name}: {told}\n{}", seen.stdout);
    }
    assert!(seen.stdout.ends_with("0 messages answered by 1 server\n"), "{}", seen.stdout);
}
