//! What learners do with containers: `make check-exercise` on a first solution, on ours, and on other servers; and
//! the crowd of the guide's sixth chapter.

use std::fs;
use std::process::Stdio;

use echo_containers::{Environment, Output, checkout, command, wait_until};
use echo_harness::child::OwnedChild;
use echo_harness::fixture::Shared;
use echo_harness::log_lines::LogLines;

static ENVIRONMENT: Shared<Environment> = Shared::new();

/// The lines for machines: each case with its result.
fn results(output: &Output, exercise: u32) -> Vec<String> {
    let start = format!("exercise: {exercise} | case: ");
    let lines = output.text.lines().filter_map(|line| line.strip_prefix(&start));
    lines.map(|line| line.replace(" | result:", "")).collect()
}

/// Panics unless the output has the results that `docs/exercises.md` shows of this exercise. What a netcat or
/// an engine says of a failure is not always the same.
fn assert_shows_what_the_document_has(output: &Output, exercise: u32) {
    let document = fs::read_to_string(checkout().join("docs/exercises.md")).expect("a document");
    let end = format!("action: check_exercise_{exercise} | result: fail\n");
    let blocks = document.split("```text\n").filter_map(|rest| rest.split("```").next());
    let shown: Vec<&str> = blocks.filter(|block| block.ends_with(&end)).collect();
    let [shown] = shown[..] else { panic!("{} runs of exercise {exercise}", shown.len()) };
    let is_result = |line: &&str| line.starts_with("exercise: ") || line.starts_with("action: ");
    let results = |text: &'_ str| -> Vec<String> {
        text.lines().filter(is_result).map(str::to_owned).collect()
    };
    assert_eq!(results(&output.text), results(shown), "{output}");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_first_solution_fails_where_it_should_and_is_told_why() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.script("first-solution", &[]).succeeded();
    let image = environment.image("echo-first-solution");
    let before = environment.everything();

    let netcat = environment.script("check-exercise", &["3", &image]).failed();
    let passes = ["short_line", "utf8", "quotes_and_spaces", "no_newline_half_close"];
    let mut expected: Vec<_> = passes.iter().map(|case| format!("{case} success")).collect();
    expected.extend(["line_of_4_kib fail".to_owned(), "parallel_20 success".to_owned()]);
    assert_eq!(results(&netcat, 3), expected, "{netcat}");
    assert_shows_what_the_document_has(&netcat, 3);
    netcat
        .says("  sent:     4096 bytes: xxx*")
        .says("  received: * bytes: *")
        .says("action: check_exercise_3 | result: fail");

    let sigterm = environment.script("check-exercise", &["4", &image]).failed();
    let expected = [
        "sigterm fail",
        "sigterm_beside_an_idle_client fail",
        "the_log_tells_of_the_end fail",
        "sigterm_beside_half_a_message fail",
    ];
    assert_eq!(results(&sigterm, 4), expected, "{sigterm}");
    assert_shows_what_the_document_has(&sigterm, 4);
    sigterm
        .says("  it was still running one second after SIGTERM, *(exit code 137): the first process of a container ignores *")
        .says("  SIGTERM has no effect, as in the first case")
        .says("  its log has no line behind SIGTERM*");

    let parallel = environment.script("check-exercise", &["5", &image]).failed();
    let expected = [
        "a_client_alone success",
        "beside_an_idle_client fail",
        "beside_half_a_message success",
        "many_at_once fail",
        "a_client_afterwards success",
    ];
    assert_eq!(results(&parallel, 5), expected, "{parallel}");
    assert_shows_what_the_document_has(&parallel, 5);
    parallel
        .says("  no reply within 5 s while another client is connected and says nothing*")
        .says("  0 of 10 clients got their reply *");
    assert_eq!(environment.everything(), before);
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn our_server_passes_every_exercise_and_either_reply_will_do_where_equality_is_not_asked() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    let image = environment.image("echo-reactor");
    let before = environment.everything();
    for exercise in ["3", "4", "5"] {
        let output = environment.script("check-exercise", &[exercise, &image]).succeeded();
        output.ends_with(&format!("action: check_exercise_{exercise} | result: success"));
    }
    let acknowledging = |exercise: &str| {
        let mut script = echo_containers::script("check-exercise", &[exercise, &image]);
        environment.run(
            script
                .env("OPTIONS", "--env SERVER_REPLY=acknowledge --env SERVER_PORT=7")
                .env("PORT", "7"),
        )
    };
    acknowledging("3").failed().says("  received: * Your Message has been received: b'hello'");
    acknowledging("5").succeeded();
    assert_eq!(environment.everything(), before);
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_shell_that_is_the_first_process_is_named_and_so_is_a_server_that_does_not_listen() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    let image = environment.image("echo-first-solution");
    let build = |entrypoint: &str| {
        let text = format!(
            "printf 'FROM echo-netcat:latest\\nENTRYPOINT {entrypoint}\\n' | docker build --tag {image} -"
        );
        environment.run(command("sh").args(["-c", &text])).succeeded();
    };
    build("while :; do nc -l -p 12345 -e cat; done");
    let output = environment.script("check-exercise", &["4", &image]).failed();
    output
        .says("  it was still running *: a shell is its first process, *ENTRYPOINT [\"program\"*");
    for (entrypoint, complaint) in [
        ("[\"sleep\", \"60\"]", "does not listen on port 12345"),
        ("[\"sh\", \"-c\", \"echo no config.ini; exit 3\"]", "exit code 3: no config.ini"),
    ] {
        build(entrypoint);
        environment
            .script("check-exercise", &["4", &image])
            .failed()
            .says(&format!("error: *{complaint}*"));
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_crowd_of_clients_is_seen_as_the_guide_shows_it() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure("client: {loop_period: 20ms, loop_lapse: 10m}");
    environment.script("scale", &["5"]).succeeded();
    let mut view = command("docker");
    let server = environment.named("server");
    view.args(["exec", &server, "/echo-reactor", "--watch", "--lines"]).stdout(Stdio::piped());
    let mut view = OwnedChild::spawn(&mut view).expect("docker can start");
    let lines = LogLines::gather(view.stdout().expect("a pipe"));
    let heading = lines.wait_for("messages");
    let column = heading.split_whitespace().position(|word| word == "messages").unwrap();
    // A second with messages in it; the day's hour begins with a digit.
    let messages = |line: &String| line.split_whitespace().nth(column)?.parse::<u64>().ok();
    let has_some = |line: &String| messages(line).is_some_and(|messages| messages > 0);
    wait_until("a second with messages", || lines.containing(":").iter().any(has_some));
    environment.take_down();
}
